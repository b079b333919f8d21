import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../harness/paths.ts';
import { ExitedEarly, launch } from '../harness/process.ts';
import { waitFor } from '../harness/wait.ts';
import { isGone } from './is-gone.ts';

const shell = (script: string, folder?: string) =>
  launch({
    name: 'the program',
    path: '/bin/sh',
    args: ['-c', script],
    env: process.env,
    ...(folder && { folder }),
  });

test('launch: an early exit rejects at once with exit code and output', async () => {
  const running = await shell('echo so long >&2; exit 3');
  const error = await running.ready(() => false, { what: 'nothing' }).catch((e) => e);
  expect(error).toBeInstanceOf(ExitedEarly);
  expect(error.message).toBe('the program exited with code 3 before it was ready:\nso long');
  expect(error.exit).toEqual({ code: 3, signal: null });
});

test('launch: a missed deadline stops the process and reports the condition', async () => {
  const running = await shell('exec sleep 60');
  const waiting = running.ready(() => false, { what: 'a miracle', deadline: 50 });
  await expect(waiting).rejects.toThrow('gave up after 0.05 s of waiting for a miracle');
  expect(isGone(running.pid)).toBe(true);
});

test('launch: a missing program rejects', async () => {
  const command = { name: 'x', path: '/no/such/program', args: [], env: {} };
  await expect(launch(command)).rejects.toThrow('ENOENT');
});

test('launch: a program that exits is reported, and has extra pipes', async () => {
  const running = await launch({
    name: 'the program',
    path: '/bin/sh',
    args: ['-c', 'cat <&3 >&4; exit 3'],
    env: process.env,
    pipes: 2,
  });
  const [to, from] = running.pipes;
  to?.end('hello');
  const [answer] = await once(from as Duplex, 'data');
  expect(String(answer)).toBe('hello');
  expect(await running.exited).toEqual({ code: 3, signal: null });
  expect(await running.stop()).toEqual({ code: 3, signal: null });
});

test('launch: child processes and the folder are removed with the program', async () => {
  const folder = await temporaryFolder();
  const running = await shell('sleep 60 & sleep 60 & exec sleep 60', folder);
  // Resolves when its stdout is closed, so all three processes have ended.
  expect(await running.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(existsSync(folder)).toBe(false);
});

// Needs a separate process that ends: the built one.
const built = join(projectRoot, 'dist', 'test', 'harness', 'process.js');

test.runIf(existsSync(built))(
  'launch: a killed parent leaves neither processes nor folders',
  async () => {
    const folder = await temporaryFolder();
    const script = `
    import { launch } from ${JSON.stringify(built)};
    const command = { name: 'x', path: '/bin/sh', args: ['-c', 'sleep 60 & exec sleep 60'] };
    const options = { env: process.env, folder: process.argv[1], stdio: 'inherit' };
    await launch({ ...command, ...options });
    console.log('started');`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script, folder]);
    await once(parent.stdout, 'data');

    parent.kill('SIGKILL');

    await once(parent, 'close'); // when its stdout is closed
    await waitFor(() => !existsSync(folder), { what: 'the folder to be gone' });
  },
);
