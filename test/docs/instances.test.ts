import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { printed } from '../cli/nginx/machine.ts';
import { startService } from '../harness/service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { directives, parseNginx } from '../support/nginx-tree.ts';
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
  for (const i of [1, 2]) {
    await mkdir(join(folder, `postern-${i}`));
    await forTest(
      startService({
        env: {
          POSTERN_LISTEN: `unix:${folder}/postern-${i}/gate.sock`,
          POSTERN_API_LISTEN: 'off',
          POSTERN_MOUNTS: '/download/=/protected/',
        },
      }),
    );
  }
  const log = join(folder, 'log');
  const program = async (name: string, script: string) => {
    const path = join(folder, 'bin', name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  };
  await mkdir(join(folder, 'bin'));
  await program('sleep', `echo sleep "$@" >> '${log}'`);
  const run = async (fails: string, [from, to] = ['', '']) => {
    await program('systemctl', `echo "$@" >> '${log}'; test "$2" != '${fails}'`);
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
