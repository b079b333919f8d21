import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { folderForTest } from '../support/for-test.ts';
import { modes, useSite } from '../support/site.ts';
import { client, downloader, downloaders, hasAddresses, refused } from './programs.ts';
import { stateOf, usedOnceFrom, waitForLines } from './state.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(300_000);
const BIG = randomBytes(8 * MIB);

describe.each(modes)('by %s', (mode) => {
  let url: string;
  const site = useSite({ mode, files: { 'a.bin': BYTES, 'big.bin': BIG } }, async () => {
    const issued = await site.issue({ path: '/download/a.bin', filename: 'named.bin' });
    url = site.nginx.url(issued.url);
  });

  test.for([
    ['the whole file', [], BYTES],
    ['a range', ['--range', '100-199'], BYTES.subarray(100, 200)],
    ['the end', ['--range', '-5'], BYTES.subarray(-5)],
    ['the whole file by HTTP/1.0', ['--http1.0'], BYTES],
  ] as const)('curl saves %s', async ([, more, expected], context) => {
    const curl = await downloader('curl', context);
    const file = join(await folderForTest(), 'a.bin');
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
  ] as const)('curl confirms a link by POST, with bind %s', async ([bind, more], context) => {
    const curl = await client('curl', context);
    const once = { path: '/download/a.bin', confirm: true, max_uses: 1, bind };
    const link = site.nginx.url((await site.issue(once)).url);
    const file = join(await folderForTest(), 'a.bin');
    const args = ['--disable', '--silent', '--fail', '--location', ...more, '--output', file];
    expect((await curl.run([...args, link])).code).toBe(22);
    expect((await curl.run([...args, '--data', '', link])).code).toBe(0);
    expect((await readFile(file)).equals(BYTES)).toBe(true);
  });

  test('curl --fail reports the status for an invalid token', async (context) => {
    const curl = await downloader('curl', context);
    const file = join(await folderForTest(), 'a.bin');
    const ended = await curl.download({ url: site.nginx.url('/download/a.bin'), file });
    expect(ended).toMatchObject(refused);
  });

  test.for([
    ['curl', ['--disable', '--silent', '-OJ', '--output-dir']],
    ['wget', ['--no-config', '--no-hsts', '--content-disposition', '-P']],
  ] as const)('%s saves the file under the name in the token', async ([name, args], context) => {
    const program = await client(name, context);
    const folder = await folderForTest();
    expect(await program.run([...args, folder, url])).toMatchObject({ code: 0 });
    expect(await readdir(folder)).toEqual(['named.bin']);
    expect((await readFile(join(folder, 'named.bin'))).equals(BYTES)).toBe(true);
  });

  test('aria2: eight parallel connections count as one use', async (context) => {
    const aria2c = await downloader('aria2c', context);
    // Slow enough that the first connection has not sent the whole before the others begin.
    const once = { path: '/download/big.bin', max_uses: 1, limit_rate: 1.5 * MIB };
    const issued = await site.issue(once);
    const file = join(await folderForTest(), 'big.bin');
    const big = { url: site.nginx.url(issued.url), file, more: ['-x8', '-s8', '-k1M'] };
    expect(await aria2c.download(big)).toMatchObject({ code: 0 });
    expect((await readFile(file)).equals(BIG)).toBe(true);
    // The first request has no range, because aria2 also asks for the length. aria2 ends it early.
    const lines = await waitForLines(site, issued.id, ({ length }) => length >= 8);
    expect(lines.filter(({ status }) => status === 206).length).toBeGreaterThanOrEqual(7);
    expect(await stateOf(site, issued.id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  });

  test.runIf(hasAddresses).for(downloaders)(
    '%s sends requests from the address that a test gives',
    async (name, context) => {
      const program = await downloader(name, context);
      const { id, url: own } = await site.issue({ path: '/download/a.bin' });
      const file = join(await folderForTest(), 'a.bin');
      const download = { url: site.nginx.url(own), file, from: '127.0.0.5' };
      expect(await program.download(download)).toMatchObject({ code: 0 });
      const [line] = await waitForLines(site, id, ({ length }) => length > 0);
      expect(line).toMatchObject({ address: '127.0.0.5', status: 200 });
    },
  );
});
