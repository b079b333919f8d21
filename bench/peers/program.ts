import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../test/harness/paths.ts';
import { launch } from '../../test/harness/process.ts';

/** Starts a program of this folder, which listens on the Unix socket that is its first argument. */
export async function startProgram(name: string, ...args: readonly string[]) {
  const folder = await temporaryFolder();
  const socket = join(folder, 'gate.sock');
  const program = join(projectRoot, 'dist', 'bench', 'peers', `${name}.js`);
  const started = await launch({
    ...{ name, path: process.execPath, args: [program, socket, ...args], env: {}, folder },
  });
  await started.ready(() => started.stdout() !== '', { what: `${name} to listen` });
  return { ...started, address: `unix:${socket}` };
}
