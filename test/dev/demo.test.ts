import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findOnPath } from '../harness/find-on-path.ts';
import { projectRoot } from '../harness/paths.ts';
import { ask, startRedis } from '../harness/redis.ts';
import { tryRun } from '../harness/run.ts';
import { waitFor } from '../harness/wait.ts';
import { forTest } from '../support/for-test.ts';

const demo = join(projectRoot, 'dist', 'dev', 'demo', 'demo.js');
const built = existsSync(demo);

interface Demo {
  readonly child: ChildProcess;
  output(): string;
  ended(): Promise<number | null>;
}

function start(args: string[], env: Record<string, string> = {}): Demo {
  const child = spawn(process.execPath, [demo, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  onTestFinished(async () => {
    child.kill();
    await closed;
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return { child, output: () => output, ended: async () => (await closed)[0] };
}

/** Each printed command with the result in the line below it. */
function printed(output: string): Array<{ command: string; came: string }> {
  return [...output.matchAll(/^ {4}\$ (curl .*)\n {4}[✓✗] (.*)$/gmu)].map((match) => ({
    command: match[1] as string,
    came: match[2] as string,
  }));
}

test.runIf(built)(
  'demo --once: shows every step, with the store in POSTERN_STORE',
  async () => {
    const redis = await forTest(startRedis());
    const { output, ended } = start(['--once'], { POSTERN_STORE: redis.url });
    expect(await ended(), output()).toBe(0);
    expect(printed(output()).length).toBeGreaterThan(15);
    expect(output()).not.toContain('✗');
    expect(output()).not.toContain('\x1b');
    expect(await ask(redis.port, 'DBSIZE')).not.toBe(':0\r\n');
  },
  60_000,
);

test.runIf(built)(
  'demo: a store that cannot be reached is reported without its password',
  async () => {
    const store = 'redis://:secret@127.0.0.1:1/0';
    const { output, ended } = start(['--once'], { POSTERN_STORE: store });
    expect(await ended()).toBe(1);
    expect(output()).toContain('waiting for the store at redis://127.0.0.1:1/0 to take a write');
    expect(output()).not.toContain('secret');
  },
  60_000,
);

test.runIf(built && findOnPath('curl'))(
  'demo: the printed curl commands work',
  async () => {
    const { child, output, ended } = start([]);
    await waitFor(() => output().includes('Ctrl-C'), {
      what: 'the demo to stay',
    });
    const folder = /files +(\S+)/.exec(output())?.[1] as string;
    expect(existsSync(folder)).toBe(true);

    for (const { command, came } of printed(output())) {
      const { output: got } = await tryRun('/bin/sh', ['-c', command]);
      const sum = /sha256 (\w+)…/.exec(came)?.[1];
      const status = /^\d+/.exec(came)?.[0];
      expect(got, command).toMatch(
        sum ? new RegExp(`^${sum}`) : new RegExp(`^HTTP/1.1 ${status} `),
      );
    }

    const url = /http:\S+hello\.txt/.exec(output())?.[0] as string;
    child.kill('SIGINT');
    expect(await ended()).toBe(0);
    expect(existsSync(folder)).toBe(false);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  },
  60_000,
);

test.runIf(built)('demo: an unknown argument prints the usage', async () => {
  const { output, ended } = start(['--twice']);
  expect(await ended()).toBe(1);
  expect(output()).toContain('npm run demo -- --once');
});
