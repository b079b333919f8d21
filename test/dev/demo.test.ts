import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findOnPath } from '../harness/find-on-path.ts';
import { projectRoot } from '../harness/paths.ts';
import { launch } from '../harness/process.ts';
import { tryRun } from '../harness/run.ts';
import { forTest } from '../support/for-test.ts';

const demo = join(projectRoot, 'dist', 'dev', 'demo', 'demo.js');
const built = existsSync(demo);

const start = (args: string[], env: Record<string, string> = {}) =>
  forTest(
    launch({
      ...{ name: 'demo', path: process.execPath, args: [demo, ...args] },
      env: { PATH: process.env.PATH, ...env },
    }),
  );

/** Each printed command with the result in the line below it. */
function printed(output: string): Array<{ command: string; came: string }> {
  return [...output.matchAll(/^ {4}\$ (curl .*)\n {4}[✓✗] (.*)$/gmu)].map((match) => ({
    command: match[1] as string,
    came: match[2] as string,
  }));
}

test.runIf(built)(
  'demo: a store that cannot be reached is reported without its password',
  async () => {
    const store = 'redis://:secret@127.0.0.1:1/0';
    const { stdout, stderr, exited } = await start(['--once'], { POSTERN_STORE: store });
    expect((await exited).code).toBe(1);
    expect(stderr()).toContain('waiting for the store at redis://127.0.0.1:1/0 to take a write');
    expect(stdout() + stderr()).not.toContain('secret');
  },
  60_000,
);

test.runIf(built && findOnPath('curl'))(
  'demo: the printed curl commands work',
  async () => {
    const running = await start([]);
    const output = running.stdout;
    await expect.poll(() => output(), { message: 'the demo to stay' }).toContain('Ctrl-C');
    const folder = /files +(\S+)/.exec(output())?.[1] as string;
    expect(existsSync(folder)).toBe(true);
    expect(printed(output()).length).toBeGreaterThan(15);
    expect(output()).not.toContain('✗');

    for (const { command, came } of printed(output())) {
      const { output: got } = await tryRun('/bin/sh', ['-c', command]);
      const sum = /sha256 (\w+)…/.exec(came)?.[1];
      const status = /^\d+/.exec(came)?.[0];
      expect(got, command).toMatch(
        sum ? new RegExp(`^${sum}`) : new RegExp(`^HTTP/1.1 ${status} `),
      );
    }

    const url = /http:\S+hello\.txt/.exec(output())?.[0] as string;
    running.signal('SIGINT');
    expect((await running.exited).code).toBe(0);
    expect(existsSync(folder)).toBe(false);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  },
  60_000,
);
