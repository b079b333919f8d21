import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../harness/paths.ts';
import { onFreePorts } from '../harness/ports.ts';
import { launch } from '../harness/process.ts';
import { waitFor } from '../harness/wait.ts';

/** Whether no process has this id; a negative one is a process group's. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

test('launch: a missed deadline stops the process and reports what there is', async () => {
  const args = ['-c', 'echo started; exec sleep 60'];
  const running = await launch({ name: 'the program', path: '/bin/sh', args, env: process.env });
  await expect.poll(running.stdout).toBe('started\n');
  const wait = { what: 'a miracle', deadline: 50 };
  const source =
    /Instead: false for .*isGone\(running\.pid\)[\s\S]*the program \(running\) printed: started/;
  await expect(waitFor(() => isGone(running.pid), wait)).rejects.toThrow(source);
  const waiting = running.ready(() => false, { ...wait, saw: () => 'rain' });
  await expect(waiting).rejects.toThrow(
    'gave up after 0.05 s of waiting for a miracle. Instead: rain',
  );
  expect(isGone(running.pid)).toBe(true);
});

test('wait: expect.poll shows what it read last, even if it is a long log', async () => {
  const log = 'a line of a log, '.repeat(20);
  const waiting = expect.poll(() => log, { message: 'the start', timeout: 20 }).toContain('ready');
  await expect(waiting).rejects.toThrow(log);
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

test.each([
  'bind() failed (98: Address already in use)',
  'Error: listen EADDRINUSE: address already in use 127.0.0.1:20000',
  'postern cannot listen on 127.0.0.1:20000: address already in use. See POSTERN_LISTEN.',
])('onFreePorts: tries other ports at most three times if a port is taken: %s', async (message) => {
  const tried: number[] = [];
  const start = (failures: number) => async (ports: number[]) => {
    tried.push(...ports);
    if (tried.length <= failures) throw new Error(message);
    return 'started';
  };
  expect(await onFreePorts(1, start(2))).toBe('started');
  expect(new Set(tried).size).toBe(3);
  tried.length = 0;
  await expect(onFreePorts(1, start(9))).rejects.toThrow(message);
  expect(tried.length).toBe(3);
});
