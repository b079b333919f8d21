import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

const script = 'read _; kill -s KILL -- "-$0"; if [ -n "$1" ]; then rm -rf -- "$1"; fi';

/**
 * Kills a process group and removes its folder when this process ends for any reason. A handler in
 * this process would not run after SIGKILL, a crash, or a test runner that gives up. The guard is a
 * shell that waits on a pipe, which the kernel closes when this process ends.
 *
 * Returns a function that dismisses the guard. Call it when the group has ended.
 */
export function guard(group: number, folder = ''): () => void {
  const shell = spawn('/bin/sh', ['-c', script, String(group), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  shell.on('error', () => {});
  shell.unref();
  (shell.stdin as Socket).unref();
  return () => {
    shell.kill('SIGKILL');
  };
}
