import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { createLogOutput } from '../../service/process/log.ts';
import { projectRoot } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { waitFor } from '../harness/wait.ts';
import { askMetrics, ENV } from '../support/ask-service.ts';
import { folderForTest } from '../support/for-test.ts';
import { needRoot } from '../support/need-root.ts';

/** The built service, whose log goes to a file that is opened as a shell does it by `>>`. */
async function startLogging(file: string) {
  const [gate = 0, api = 0] = await freePorts(2);
  const child = spawn(process.execPath, [join(projectRoot, 'dist/service/main.js')], {
    env: {
      ...{ PATH: process.env.PATH, ...ENV, POSTERN_LISTEN: `127.0.0.1:${gate}` },
      POSTERN_API_LISTEN: `127.0.0.1:${api}`,
    },
    stdio: ['ignore', openSync(file, 'a'), 'inherit'],
  });
  const ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const status = async (path: string, headers = {}) => {
    const signal = AbortSignal.timeout(10_000);
    return (await fetch(`http://127.0.0.1:${gate}${path}`, { headers, signal })).status;
  };
  await waitFor(() => status('/livez').catch(() => undefined), { what: 'the service' });
  return {
    live: () => status('/livez'),
    /** A decision whose line is 10 KB long. */
    decide: () =>
      status('/auth-request', {
        ...{ 'X-Original-URI': '/download/a', 'X-Original-Method': 'GET' },
        'Postern-Site': 'a'.repeat(10_000),
      }),
    async lost() {
      const samples = await askMetrics({ apiPort: api });
      return samples.get('postern_log_lines_dropped_total') ?? 0;
    },
    async end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** A file system of 64 KiB. */
async function smallDisk(context: TestContext): Promise<string> {
  needRoot(context);
  const folder = await folderForTest();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (status !== 0) context.skip('this container may not mount a file system');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}

test('log: if the log cannot be written the service continues, and exits on SIGTERM', async () => {
  const { live, decide, end } = await startLogging('/dev/full');
  for (let i = 0; i < 50; i += 1) expect(await decide()).toBe(401);
  expect(await live()).toBe(200);
  expect(await end()).toEqual({ code: 0, signal: null });
});

test('log: on a full disk lines are lost and counted, and logging continues with free space', async (context) => {
  const folder = await smallDisk(context);
  const file = join(folder, 'postern.log');
  const { live, decide, lost, end } = await startLogging(file);
  // 8 MiB of lines are kept for later.
  await waitFor(
    async () => {
      const decisions = await Promise.all(Array.from({ length: 50 }, decide));
      expect(new Set(decisions)).toEqual(new Set([401]));
      return (await lost()) > 0;
    },
    { what: 'a line to be lost' },
  );
  expect(await live()).toBe(200);

  spawnSync('mount', ['-o', 'remount,size=64m', folder]);
  const written = async () => (await stat(file)).size > 8 << 20;
  await waitFor(written, { what: 'the kept lines to be written' });
  expect(await decide()).toBe(401);
  expect(await end()).toEqual({ code: 0, signal: null });
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const messages = new Set(lines.map((line) => JSON.parse(line).msg));
  expect(messages).toEqual(
    new Set([
      ...['listening', 'decision'],
      ...['stopping: requests in flight are finished', 'stopped'],
    ]),
  );
}, 120_000);

test('log: lines during a write are written right after it, and no line is lost or moved', async () => {
  const file = join(await folderForTest(), 'log');
  const fd = openSync(file, 'a');
  onTestFinished(() => closeSync(fd));
  const output = createLogOutput(fd, () => expect.unreachable());
  const lines: string[] = [];
  for (let i = 0; i < 20_000; i += 1) {
    const line = `${i} ${'x'.repeat(i % 200)}\n`;
    lines.push(line);
    output.write(line);
    if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // No timer and no flush is needed.
  await expect.poll(() => readFileSync(file, 'utf8'), { interval: 1 }).toBe(lines.join(''));
});

test('log: the last line is written at the end of the process, also during a write', async () => {
  const file = join(await folderForTest(), 'log');
  const fd = openSync(file, 'a');
  onTestFinished(() => closeSync(fd));
  const output = createLogOutput(fd, () => expect.unreachable());
  output.write('in progress\n');
  // The write begins, and its end is not known before the next turn.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  output.write('the last line\n');
  output.flushSync();
  expect(readFileSync(file, 'utf8')).toContain('the last line\n');
  const lines = () => readFileSync(file, 'utf8').trimEnd().split('\n').sort();
  await expect.poll(lines).toEqual(['in progress', 'the last line']);
});
