import { NoReader } from './failure.ts';

let failed: Error | undefined;
process.stdout.on('error', (error) => {
  failed = error;
});

/**
 * Writes to standard output, and waits until it is taken.
 *
 * @throws NoReader
 */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (failed) return reject(new NoReader(failed.message));
    process.stdout.write(text, (error) => {
      if (error) reject(new NoReader(error.message));
      else resolve();
    });
  });
}
