import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, type TestContext, test, vi } from 'vitest';
import { logDecision } from '../../service/gate/report.ts';
import { createAllowLog, createLog, createLogOutput } from '../../service/process/log.ts';
import { projectRoot, temporaryFolder } from '../harness/paths.ts';
import { freePorts } from '../harness/ports.ts';
import { waitFor } from '../harness/wait.ts';
import { grantAt, newId } from '../store/grants.ts';
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
      return samples.get('postern_log_lines_lost_total') ?? 0;
    },
    async end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
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
    { what: 'a line to be lost', deadline: 60_000 },
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
      ...['stopping: requests in flight are finished, new ones are not accepted', 'stopped'],
    ]),
  );
}, 120_000);

/** A file system of 64 KiB. */
async function smallDisk(context: TestContext): Promise<string> {
  needRoot(context);
  const folder = await temporaryFolder();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (status !== 0) context.skip('this container may not mount a file system');
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return folder;
}

async function started() {
  const file = join(await folderForTest(), 'log');
  const fd = openSync(file, 'a');
  onTestFinished(() => closeSync(fd));
  const output = createLogOutput(fd, () => expect.unreachable());
  return { output, written: () => readFileSync(file, 'utf8') };
}

test('log: a line that may not wait is written at once, after all lines before it', async () => {
  const { output, written } = await started();
  output.writeLater('allow 1\n');
  output.writeLater('allow 2\n');
  output.write('denial\n');
  // No timer is needed, and the next line waits.
  await expect.poll(written, { interval: 1 }).toBe('allow 1\nallow 2\ndenial\n');
  output.writeLater('allow 3\n');
  await new Promise((resolve) => setImmediate(resolve));
  expect(written()).toBe('allow 1\nallow 2\ndenial\n');
  expect(await output.flush(10_000)).toBe(true);
  expect(written()).toBe('allow 1\nallow 2\ndenial\nallow 3\n');
});

test('log: a denial during a write is written right after it, and no line is lost or moved', async () => {
  const { output, written } = await started();
  const lines: string[] = [];
  for (let i = 0; i < 20_000; i += 1) {
    const line = `${i} ${'x'.repeat(i % 200)}\n`;
    lines.push(line);
    if (i % 7 === 0) output.write(line);
    else output.writeLater(line);
    if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await output.flush(10_000)).toBe(true);
  expect(written()).toBe(lines.join(''));
});

/** Text of a client: quotes, control characters and line separators. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u2028', '\u007f', 'é', '😀', 'a', '}'),
  }),
);

test('log: the line of an "allow" decision is the line of pino, whatever the client sent', () => {
  vi.useFakeTimers({ now: 1.8e12 });
  onTestFinished(() => void vi.useRealTimers());
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const output = { write, writeLater: write, flush: async () => true, flushSync() {} };
  const log = createLog('info', output);
  const logAllow = createAllowLog(output);
  const optional = { requiredKeys: [] };
  const headersOf = { 'x-real-ip': text, 'x-original-method': text, 'postern-site': text };
  fc.assert(
    fc.property(
      text,
      fc.record({ subject: text }, optional),
      fc.record(headersOf, optional),
      fc.double({ min: 0, max: 2000, noNaN: true }),
      fc.nat(2),
      (path, subject, headers, ms, later) => {
        vi.setSystemTime(Date.now() + later);
        lines.length = 0;
        const grant = grantAt(Date.now(), { covers: '/download/', ...subject });
        const reply = { target: '/', args: '', reuseFor: 0 };
        const decision = { allow: true, id: newId(), grant, path, ...reply } as const;
        const byPino = (fields: object) => log.info(fields, 'decision');
        logDecision({ log, logAllow }, headers, decision, ms);
        logDecision({ log, logAllow: byPino }, headers, decision, ms);
        expect(lines).toEqual([lines[1], expect.stringMatching(/^[^\n]*\n$/)]);
      },
    ),
    { numRuns: 2000 },
  );
});
