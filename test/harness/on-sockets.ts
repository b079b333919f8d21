import { join } from 'node:path';
import { projectRoot } from './paths.ts';
import { launch } from './process.ts';
import { findTool } from './tools.ts';

/**
 * Processes of the built service on the same sockets, as with the units in deploy/systemd/. A process that ends is
 * started again. `sockets` are those of the service by their names, such as `unix:/path`, `127.0.0.1:1` or
 * `udp:127.0.0.1:1`. `%i` in a variable is the number of the process.
 */
export async function startOnSockets(
  sockets: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
  count = 1,
) {
  const { path } = await findTool('python3');
  const program = join(projectRoot, 'test', 'harness', 'sockets.py');
  const main = join(projectRoot, 'dist', 'service', 'main.js');
  const opened = Object.entries(sockets).map(([name, address]) => `${name}=${address}`);
  const process_ = await launch({
    name: 'postern',
    path,
    args: [program, String(count), ...opened, '--', process.execPath, main],
    env: { PATH: process.env.PATH, ...env },
    cwd: projectRoot,
  });
  /** The current process ID of each number. */
  function pids(): number[] {
    const found = [...process_.stdout().matchAll(/^(\d+) (\d+)$/gm)];
    const byNumber = new Map(found.map(([, number, pid]) => [Number(number), Number(pid)]));
    return Array.from({ length: count }, (_, i) => byNumber.get(i + 1) ?? 0);
  }
  return { ...process_, pids };
}
