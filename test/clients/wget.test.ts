import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { wgetLine } from '../../service/pages/browser/names.ts';
import { withListing } from '../nginx/listed.ts';
import { folderForTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { modes, siteForTest } from '../support/site.ts';

const FOLDERS = [
  'photos',
  '$(touch evil)',
  '`touch evil`; touch evil',
  'it\'s "quoted" & <b>',
  'é',
];

test.for(modes)('wget: the command on a list downloads the folder by %s', async (mode, context) => {
  const { path, env } = await needTool('wget', context);
  const site = await siteForTest({
    mode,
    ...withListing(mode),
    files: Object.fromEntries(
      FOLDERS.flatMap((name) => [
        [`${name}/a.txt`, 'the file a'],
        [`${name}/sub/it's b.txt`, 'the file b'],
      ]),
    ),
  });
  for (const folder of FOLDERS) {
    const { url } = await site.issue({ prefix: `/download/${folder}/`, listing: true });
    const line = wgetLine(new URL(site.nginx.url(url))) ?? '';
    const cwd = await folderForTest();
    const PATH = `${dirname(path)}:${process.env.PATH}`;
    await promisify(execFile)('sh', ['-c', line], { cwd, env: { ...env, PATH, HOME: cwd } });
    const [host = '', ...others] = await readdir(cwd);
    expect([folder, others]).toEqual([folder, []]);
    const found = await readdir(join(cwd, host), { recursive: true, withFileTypes: true });
    const texts = found
      .filter(({ name }) => name.endsWith('.txt'))
      .map(({ parentPath, name }) => readFile(join(parentPath, name), 'utf8'));
    expect([folder, (await Promise.all(texts)).sort()]).toEqual([
      folder,
      ['the file a', 'the file b'],
    ]);
  }
});
