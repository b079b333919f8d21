import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { modes, type Site, startSite } from '../support/site.ts';
import { client } from './client.ts';
import { downloader, refused } from './download.ts';
import { testFolder } from './folder.ts';

const BYTES = randomBytes(300_000);

describe.each(modes)('curl by %s', (mode) => {
  let site: Site;
  let url: string;
  beforeAll(async () => {
    site = await startSite({ mode, files: { 'a.bin': BYTES } });
    const issued = await site.issue({ path: '/download/a.bin', filename: 'named.bin' });
    url = site.nginx.url(issued.url);
  });
  afterAll(() => site.stop());

  test.for([
    ['the whole file', [], BYTES],
    ['a range', ['--range', '100-199'], BYTES.subarray(100, 200)],
    ['the end', ['--range', '-5'], BYTES.subarray(-5)],
    ['the whole file by HTTP/1.0', ['--http1.0'], BYTES],
  ] as const)('saves %s', async ([, more, expected], context) => {
    const curl = await downloader('curl', context);
    const file = join(await testFolder(), 'a.bin');
    expect(await curl.download({ url, file, more })).toMatchObject({ code: 0, stderr: '' });
    expect((await readFile(file)).equals(expected)).toBe(true);
  });

  test('curl -I shows the headers without a body', async (context) => {
    const curl = await client('curl', context);
    const { code, stdout } = await curl.run(['--disable', '--silent', '-I', url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:[\w-]+: .*\r\n)+\r\n$/);
    expect(stdout).toContain('\r\nContent-Length: 300000\r\n');
    expect(stdout).toContain('\r\nAccept-Ranges: bytes\r\n');
  });

  test.for([
    ['any', []],
    ['cookie', ['--cookie', '']],
  ] as const)(
    'confirms a link by POST and then saves it, with bind %s',
    async ([bind, more], context) => {
      const curl = await client('curl', context);
      const link = site.nginx.url(
        (await site.issue({ path: '/download/a.bin', confirm: true, max_uses: 1, bind })).url,
      );
      const file = join(await testFolder(), 'a.bin');
      const args = ['--disable', '--silent', '--fail', '--location', ...more, '--output', file];
      expect((await curl.run([...args, link])).code).toBe(22);
      expect((await curl.run([...args, '--data', '', link])).code).toBe(0);
      expect((await readFile(file)).equals(BYTES)).toBe(true);
    },
  );

  test('curl -OJ saves the file under the name in the token', async (context) => {
    const curl = await client('curl', context);
    const folder = await testFolder();
    const { code } = await curl.run(['--disable', '--silent', '-OJ', '--output-dir', folder, url]);
    expect([code, await readdir(folder)]).toEqual([0, ['named.bin']]);
    expect((await readFile(join(folder, 'named.bin'))).equals(BYTES)).toBe(true);
  });

  test('curl --fail reports the status for an invalid token', async (context) => {
    const curl = await downloader('curl', context);
    const file = join(await testFolder(), 'a.bin');
    const ended = await curl.download({ url: site.nginx.url('/download/a.bin'), file });
    expect(ended).toMatchObject(refused);
  });
});
