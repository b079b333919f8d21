import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { wgetLine } from '../../service/pages/browser/names.ts';
import { FRAMES, makePlaylist, play, SECONDS } from '../support/clients/hls.ts';
import {
  client,
  downloader,
  stateOf,
  usedOnceFrom,
  waitForLines,
} from '../support/clients/programs.ts';
import { folderForTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { withListing } from '../support/nginx/listed.ts';
import { modes, type Site, siteForTest, useSite } from '../support/site.ts';

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
});

const prefix = '/download/hls/';
const whole = { seconds: SECONDS, frames: FRAMES, stderr: '' };

/** For the playlist and its segments, in the order of the names. */
async function requestsOf(site: Site, id: string): Promise<string[]> {
  const lines = await waitForLines(site, id, ({ length }) => length > SECONDS);
  return lines.map(({ request }) => request).sort();
}

const uses = [{}, { max_uses: 1 }, { max_uses: 1, bind: 'cookie' }];

test.for(
  modes.flatMap((mode) => (['path', 'cookie'] as const).map((place) => [mode, place] as const)),
)('ffmpeg: plays HLS by %s with a token in a %s', async ([mode, place], context) => {
  const ffmpeg = await client('ffmpeg', context);
  const ffprobe = await client('ffprobe', context);
  const site = await siteForTest({ mode });
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'));
  expect(segments).toHaveLength(SECONDS);

  for (const more of uses) {
    const cookie = place === 'cookie';
    const { id, url, access_token } = await site.issue({ prefix, cookie, ...more });
    const list = cookie ? `${prefix}index.m3u8?token=${access_token}` : `${url}index.m3u8`;
    expect(await play(ffprobe, site.nginx.url(list))).toEqual(whole);

    const uris = cookie
      ? [`${prefix}index.m3u8?token=***`, ...segments.map((name) => prefix + name)]
      : ['index.m3u8', ...segments].map((name) => `/download/~***/hls/${name}`);
    expect(await requestsOf(site, id)).toEqual(uris.map((uri) => `GET ${uri} HTTP/1.1`).sort());
    const used = 'max_uses' in more ? usedOnceFrom('127.0.0.1') : {};
    expect(await stateOf(site, id)).toMatchObject(used);
  }
});

const FOLDERS = [
  'photos',
  '$(touch evil)',
  '`touch evil`; touch evil',
  'it\'s "quoted" & <b>',
  'é',
];

test.for(modes)('wget: the command on a list saves its folder by %s', async (mode, context) => {
  const { path, env } = await needTool('wget', context);
  const files = {
    ...{ 'a.txt': 'the file a', 'index.html': 'a page', 'x.postern.txt': '' },
    "sub/it's b.txt": 'the file b',
  };
  const named = FOLDERS.flatMap((folder) =>
    Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text] as const),
  );
  const site = await siteForTest({
    mode,
    ...withListing(mode),
    server: 'location = /robots.txt { return 200 "User-agent: *\nDisallow: /\n"; }',
    files: Object.fromEntries(named),
  });

  /** The path and the text of each file that the command saves for the list. */
  async function saved(prefix: string, below = '') {
    const { url } = await site.issue({ prefix, listing: true });
    const line = wgetLine(new URL(site.nginx.url(url + below))) ?? '';
    const cwd = await folderForTest();
    const PATH = `${dirname(path)}:${process.env.PATH}`;
    await promisify(execFile)('sh', ['-c', line], { cwd, env: { ...env, PATH, HOME: cwd } });
    const found = (await readdir(cwd, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && entry.name !== '.wget-hsts')
      .map(({ parentPath, name }) => join(parentPath, name));
    return Promise.all(
      found.map(async (file) => [relative(cwd, file), await readFile(file, 'utf8')]),
    );
  }

  for (const folder of FOLDERS) {
    const expected = named.filter(([name]) => name.startsWith(`${folder}/`));
    expect((await saved(`/download/${folder}/`)).sort()).toEqual(expected.sort());
  }
  expect((await saved('/download/')).sort()).toEqual(named.sort());
  expect(await saved('/download/é/', 'sub/')).toEqual([["sub/it's b.txt", 'the file b']]);
});
