import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * One process at a time does the work. A child holds a lock of the kernel and ends when the pipe
 * to it closes, so the lock cannot outlive this process and is never stale.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder, 'spawn');
  const locked = once(holder.stdout, 'data');
  const ended = once(holder, 'exit').then(() => {
    throw new Error(`could not lock ${file}`);
  });
  ended.catch(() => {});
  try {
    await Promise.race([locked, ended]);
    return await work();
  } finally {
    holder.stdin.end();
  }
}
