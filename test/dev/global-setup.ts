import { ensureTools } from '../../dev/tools.ts';

/**
 * Fetches what is missing before the first test, whose time-out a slow download would exceed.
 * A failure is told and no more: most tests need neither, and those that do repeat it.
 */
export default async function setup(): Promise<void> {
  try {
    await ensureTools(['nginx', 'redis-server']);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
