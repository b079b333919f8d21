import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { directives, parseNginx, placed, printed, program, written } from '../cli/nginx/machine.ts';
import { startNginx } from '../harness/nginx.ts';
import { startRedis } from '../harness/redis.ts';
import { startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, ENV } from '../support/ask-service.ts';
import { writeFiles } from '../support/files.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { docsBlock, settingsOf } from './blocks.ts';

const block = (words: string) => docsBlock('operate/scaling.md', words);

test('docs/operate/scaling.md: the upstream is that of postern nginx --instances 2', () => {
  const upstream = (text: string) => directives(parseNginx(text), 'upstream');
  expect(upstream(block('upstream postern'))).toEqual(upstream(printed({ instances: '2' })));
});

test('docs/operate/scaling.md: the files are valid for both instances', () => {
  const shared = settingsOf(
    block('POSTERN_STORE=').replace('<secret>', 'a-key-of-24-characters-00'),
  );
  const own = settingsOf(block('POSTERN_API_LISTEN=127.0.0.1:7302'));
  const none = () => '';
  expect(loadConfig(shared, none).apiListen).toEqual({ host: '127.0.0.1', port: 7301 });
  expect(loadConfig({ ...shared, ...own }, none).apiListen).toMatchObject({ port: 7302 });
  const { POSTERN_API_KEYS: _, ...keyless } = shared;
  const gate = { ...keyless, ...settingsOf(block('POSTERN_API_LISTEN=off')) };
  expect(loadConfig(gate, none)).toMatchObject({ apiListen: 'off', apiKeys: [] });
});

test('docs/operate/scaling.md: the rolling restart waits for each gate, and stops if one does not start', async (context) => {
  const curl = await needTool('curl', context);
  const folder = await folderForTest();
  for (const name of ['1', '2']) await startGate(name, folder, 'memory:');
  const log = join(folder, 'log');
  await program(join(folder, 'bin/sleep'), `echo sleep "$@" >> '${log}'`);
  const run = async (fails: string, [from, to] = ['', '']) => {
    await program(join(folder, 'bin/systemctl'), `echo "$@" >> '${log}'; test "$2" != '${fails}'`);
    await writeFile(log, '');
    const script = block('systemctl restart').replaceAll('/run/', `${folder}/`).replace(from, to);
    const path = [join(folder, 'bin'), dirname(curl.path), process.env.PATH].join(delimiter);
    await new Promise((resolve) => {
      const env = { ...process.env, ...curl.env, PATH: path };
      execFile('bash', ['-c', script], { env }, resolve);
    });
    return (await readFile(log, 'utf8')).trim().split('\n');
  };
  const [first, second] = ['restart postern@1', 'restart postern@2'];
  expect(await run('none')).toEqual([first, 'sleep 2', second, 'sleep 2']);
  expect(await run('postern@1')).toEqual([first]);

  // A gate that does not answer: the other one is not restarted.
  await rm(join(folder, 'postern-1'), { recursive: true });
  expect(await run('none', ['--retry 30', '--retry 1'])).toEqual([first]);
});

// The set-up of docs/operate/scaling.md: gates without an API, and one instance with an API that nginx does not ask.

// Long time limits, because the test does not measure how fast a busy machine is.
const start = (env: Record<string, string>) =>
  forTest(startService({ env: { ...ENV, POSTERN_STORE_TIMEOUT_MS: '10000', ...env } }));

async function startGate(name: string, folder: string, store: string) {
  await mkdir(join(folder, `postern-${name}`));
  const begin = () =>
    start({
      POSTERN_LISTEN: `unix:${folder}/postern-${name}/gate.sock`,
      POSTERN_API_LISTEN: 'off',
      POSTERN_API_KEYS: '',
      POSTERN_STORE: store,
      POSTERN_LOG_LEVEL: 'debug',
    });
  let service = await begin();
  return {
    /** The number of requests that it has allowed since its start. */
    allowed: () => service.stdout().split('"code":"allow"').length - 1,
    async kill() {
      service.signal('SIGKILL');
      await service.stop();
    },
    async start() {
      service = await begin();
    },
  };
}

test('instances: each of two gates opens a token of the API, also if the other is killed', async () => {
  const redis = await forTest(startRedis());
  const folder = await folderForTest();
  const gates = [
    await startGate('1', folder, redis.url),
    await startGate('2', folder, redis.url),
  ] as const;
  const api = await start({ POSTERN_STORE: redis.url });

  const nginx = await forTest(
    startNginx({
      config: (context) => {
        const files = written({ instances: '2', files: [join(context.dir, 'files')] });
        const here = [...files].map(
          ([name, text]) => [name, text.replaceAll('unix:/run/', `unix:${folder}/`)] as const,
        );
        return placed(here, context);
      },
    }),
  );
  await writeFiles(join(nginx.dir, 'files'), { a: 'file a' });

  const json = { path: '/download/a', expires_in: 600 };
  const url: string = (await askApi(api, 'POST /tokens', { json })).body.url;
  const ask = async (path: string) => {
    const response = await fetch(nginx.url(path));
    return [response.status, await response.text()] as const;
  };
  /** Several at a time, as from many clients. */
  const download = async (count: number) => {
    const replies = await Promise.all(Array.from({ length: count }, () => ask(url)));
    expect(replies).toEqual(replies.map(() => [200, 'file a']));
  };
  /** Both gates allow, also after a restart, when nginx has to notice that the gate is back. */
  const bothAllow = async () => {
    const before = gates.map((gate) => gate.allowed());
    const more = async () => {
      await download(8);
      return gates.every((gate, i) => gate.allowed() > (before[i] ?? 0));
    };
    await waitFor(more, { what: 'both gates to allow a request' });
  };

  await bothAllow();
  for (const gate of gates) {
    const under = download(32);
    await gate.kill();
    await under;
    for (let round = 0; round < 8; round += 1) await download(8);
    await gate.start();
    await bothAllow();
  }
  expect((await ask('/download/a'))[0]).toBe(401);
  // No gate runs, and nginx does not ask the instance with the API.
  for (const gate of gates) await gate.kill();
  expect((await ask(url))[0]).toBe(503);
});
