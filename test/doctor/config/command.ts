import { execFile } from 'node:child_process';
import { type Ended, program } from '../../cli/postern.ts';

export interface RunOptions {
  readonly command?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** On standard input. */
  readonly input?: string;
}

/** Runs the built `postern doctor`, or another command, with these words. */
export function run(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { command = 'doctor', env = {}, input = '' } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [program, command, ...words],
      { env: { PATH: process.env.PATH, ...env }, timeout: 10_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, stdout, stderr });
        else reject(error);
      },
    );
    // The command may have ended already.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
