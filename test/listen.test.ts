import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../dev/paths.ts';
import { CannotListen, drain, listen } from '../service/listen.ts';

const handler = () => {};

test('a socket that was left behind is replaced', async () => {
  const path = join(await temporaryFolder(), 'gate.sock');
  // Left as a killed process leaves it: bound, and nobody listens.
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  const server = await listen(handler, { path }, 'POSTERN_LISTEN');
  await drain([server], 100);
});

test('a socket in use, and a file that is none, are left alone', async () => {
  const folder = await temporaryFolder();
  const used = join(folder, 'used.sock');
  const other = createServer().listen(used);
  await expect(listen(handler, { path: used }, 'POSTERN_LISTEN')).rejects.toThrow(CannotListen);
  await new Promise((resolve) => other.close(resolve));

  const file = join(folder, 'precious.txt');
  await writeFile(file, 'precious');
  await expect(listen(handler, { path: file }, 'POSTERN_LISTEN')).rejects.toThrow(/precious/);
  expect(await readFile(file, 'utf8')).toBe('precious');
});
