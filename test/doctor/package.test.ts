import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot, textOf } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';
import { findTool } from '../harness/tools.ts';
import { folderForTest } from '../support/for-test.ts';

const manifest = (path: string) => JSON.parse(textOf(path)) as { name: string; version: string };

test('nginx-exposed: the packed doctor runs alone, as its README shows', async () => {
  const folder = await folderForTest();
  const env = { npm_config_offline: 'true', npm_config_loglevel: 'error', HOME: folder };
  const npm = async (...words: string[]) => {
    const { ok, output } = await tryRun('npm', [...words, '--prefix', folder], env);
    if (!ok) throw new Error(output);
    return output;
  };
  const printed = await npm(
    'pack',
    join(projectRoot, 'doctor'),
    '--json',
    '--pack-destination',
    folder,
  );
  const [{ filename, files }] = JSON.parse(printed);
  expect(files.map(({ path }: { path: string }) => path).sort()).toEqual([
    ...['README.md', 'dist/LICENSES.txt', 'dist/nginx-exposed.js', 'package.json'],
  ]);
  await writeFile(join(folder, 'package.json'), '{}');
  await npm('install', join(folder, filename));

  const readme = textOf('doctor/README.md');
  const [, site = ''] = /```nginx\n([\s\S]*?)```/.exec(readme) ?? [];
  const [, shown = ''] = /```text\n([\s\S]*?)```/.exec(readme) ?? [];
  const config = join(folder, 'nginx.conf');
  await writeFile(config, `events {\n}\n\nhttp {\n${site}}\n`);
  const program = join(folder, 'node_modules', '.bin', 'nginx-exposed');
  const nginx = await findTool('nginx');
  const withNginx = { ...nginx.env, PATH: `${dirname(nginx.path)}:${process.env.PATH}` };
  const { ok, output } = await tryRun(program, ['--config', config, '/srv/www/data'], withNginx);
  expect(ok).toBe(false);
  expect(output).toContain(shown.replaceAll('/etc/nginx/nginx.conf', config));
  expect((await tryRun(program, ['--config', config, '/srv/other'], withNginx)).ok).toBe(true);
  const usage = await tryRun(program, ['relative'], {});
  expect([usage.ok, usage.output]).toEqual([
    false,
    expect.stringMatching(/^nginx-exposed: expected/),
  ]);
});

test('nginx-exposed: has the version of Postern', () => {
  expect(manifest('doctor/package.json').version).toBe(manifest('package.json').version);
});
