import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMES } from '../support/names.ts';
import { modes, type Site, startSite } from '../support/site.ts';

describe.each(modes)('file names: unusual ones by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    // Each file contains its name, so that the test recognizes the served file.
    const files = Object.fromEntries(NAMES.map((name) => [name, `this is ${name}`]));
    // HTTP trims a space at the end: nginx would then serve these files.
    site = await startSite({ mode, files: { ...files, pA: 'decoded twice', a: 'cut at ?' } });
  });
  afterAll(() => site.stop());

  const encoded = (name: string) => name.split('/').map(encodeURIComponent).join('/');

  test.each(NAMES)('%j by query, folder, header and cookie', async (name) => {
    const file = await site.issue({ path: `/download/${name}` });
    const folder = await site.issue({ prefix: '/download/' });
    const { access_token: token } = file;
    const bare = `/download/${encoded(name)}`;
    const answers = await Promise.all([
      site.ask('GET', file.url),
      site.ask('GET', folder.url + encoded(name)),
      site.ask('GET', bare, { Authorization: `Bearer ${token}` }),
      site.ask('GET', bare, { Cookie: `other=1; postern=${token}` }),
      site.ask('GET', `${bare}?a=1&token=${token}&b=2`),
    ]);
    for (const answer of answers) {
      expect([answer.status, answer.text]).toEqual([200, `this is ${name}`]);
    }
  });

  test('raw UTF-8 in the request line is accepted', async () => {
    const { access_token: token } = await site.issue({ path: '/download/日本語のファイル.txt' });
    const answer = await site.ask('GET', `/download/日本語のファイル.txt?token=${token}`);
    expect([answer.status, answer.text]).toEqual([200, 'this is 日本語のファイル.txt']);
  });

  test('the longest path, with the longest subject and file name, fits the header buffers', async () => {
    const name = `${'深'.repeat(85)}/`.repeat(7) + '長'.repeat(80);
    await mkdir(join(site.files, name, '..'), { recursive: true });
    await writeFile(join(site.files, name), 'long');
    const { url } = await site.issue({
      path: `/download/${name}`,
      subject: '長'.repeat(256),
      filename: '長'.repeat(200),
    });
    const answer = await site.ask('GET', url);
    expect([answer.status, answer.text]).toEqual([200, 'long']);
    expect(answer.header('Content-Disposition')).toContain(encodeURIComponent('長'.repeat(200)));
  });
});
