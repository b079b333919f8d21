import { symlink, utimes } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { BROWSER, links, withListing } from '../support/nginx/listed.ts';
import type { RawAnswer } from '../support/raw.ts';
import { modes, siteForTest, useSite } from '../support/site.ts';

// That of nginx.
vi.stubEnv('TZ', 'Asia/Tokyo');
afterAll(() => void vi.unstubAllEnvs());

const SCRIPT = 'the script of a listing';
const SECRET = 'a secret';

/** Names that need escaping in HTML, in a URL, or in both. */
const HOSTILE = [
  ...['a&b.txt', '"><script>alert(1)<', "it's.txt", '<!--# include virtual="x" -->'],
  ...['<hr><pre><a href="..">..<', '$http_cookie.txt', 'a?b#c%41.txt', 'a;b.txt'],
  ...['line\nbreak.txt', 'x\u202etxt.exe', '\u4e2d\u6587.txt', '\u{1f600}.txt'],
  ...[`${'\u{1f600}'.repeat(60)}.txt`, `${'n'.repeat(251)}.txt`],
  ...['javascript:alert(1)', ' leading.txt', '~tilde'],
];

describe.each(modes)('listing: by %s', (mode) => {
  let url: string;
  const site = useSite(
    {
      mode,
      listingScript: SCRIPT,
      ...withListing(mode),
      http: 'autoindex_localtime on;',
      files: {
        'hls/b.txt': 'file b',
        'hls/large.bin': Buffer.alloc(1_234_567),
        'hls/a.txt': 'file a',
        'hls/sub/c.txt': 'file c',
        'hls/sub/deep/d.txt': 'file d',
        'hls/index.html': 'the page of an uploader',
        'hls/.hidden': SECRET,
        'hls/.git/config': SECRET,
        'hls/empty/.keep': '',
        'other/e.txt': SECRET,
        '../secret.txt': SECRET,
        '../outside/f.txt': SECRET,
        ...Object.fromEntries(HOSTILE.map((name) => [`hostile/${name}`, `content of ${name}`])),
        ...Object.fromEntries(HOSTILE.map((name) => [`folders/${name}/x.txt`, 'x'])),
      },
    },
    async () => {
      await symlink(join(site.files, '..', 'outside'), join(site.files, 'hls', 'link'));
      await utimes(join(site.files, 'hls', 'a.txt'), 0, Date.UTC(2026, 0, 2, 3, 4) / 1000);
      url = (await site.issue({ prefix: '/download/hls/', listing: true })).url;
    },
  );
  const open = (target: string, headers = {}) =>
    site.ask('GET', target, { ...BROWSER, ...headers });

  test('the folder is a page with names, dates and sizes, folders first', async () => {
    const answer = await open(url);
    expect([answer.status, answer.header('Content-Type')]).toEqual([
      200,
      expect.stringMatching(/^text\/html/),
    ]);
    expect(answer.text).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(answer.text).toMatch(/<title>hls<\/title>[\s\S]*<h1>hls<\/h1>/);
    expect(answer.text).not.toMatch(/protected|Index of|\.hidden|\.git|<!--|secret|Up one folder/);
    const names = links(answer.text, url).map((path) => path.slice(url.length));
    expect(names).toEqual([
      ...['empty/', 'link/', 'sub/', 'a.txt', 'b.txt', 'index.html', 'large.bin'],
    ]);
    // In UTC, whatever the site says.
    expect(answer.text).toMatch(/<a href="a.txt">a.txt<\/a> +02-Jan-2026 03:04 +6\r?\n/);
    expect(answer.text).toMatch(
      /<a href="large.bin">large.bin<\/a> +\d\d-[A-Z].{15} +1234567\r?\n/,
    );
    expect(answer.text).toMatch(/You can start the download until <time datetime="2\d{3}-[^"]+Z">/);
    expect(answer.header('Cache-Control')).toBe('private, no-store');
    const [, nonce] = /<style nonce="([0-9a-f]{32})">/.exec(answer.text) ?? [];
    expect(answer.header('Content-Security-Policy')).toBe(
      `default-src 'none'; script-src 'nonce-${nonce}'; connect-src 'self'; style-src 'nonce-${nonce}'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'`,
    );
    const script =
      /<script type="module" nonce="([0-9a-f]{32})" data-texts="[^"]*">(.*?)<\/script>/;
    expect(script.exec(answer.text)?.slice(1)).toEqual([nonce, SCRIPT]);
    expect((await open(url)).text).not.toContain(nonce);
    expect(answer.header('Content-Disposition')).toBeUndefined();
  });

  test('each link opens, and keeps the token', async () => {
    for (const path of links((await open(url)).text, url)) {
      expect(path.startsWith(url)).toBe(true);
      const answer = await open(path);
      expect([path, answer.status]).toEqual([path, path.endsWith('/link/') ? 404 : 200]);
    }
    const sub = await open(`${url}sub/`);
    expect(sub.text).toContain('<h1>hls/sub</h1>');
    expect(sub.text).toContain('<a href="../">Up one folder</a>');
    expect((await open(`${url}sub/deep/`)).text).toContain('<h1>hls/sub/deep</h1>');
    expect((await open(`${url}sub/deep/d.txt`)).text).toBe('file d');
    expect((await open(`${url}empty/`)).text).not.toContain('.keep');
  });

  test('HEAD, a range, a condition and compression', async () => {
    const compressed = await open(url, { 'Accept-Encoding': 'gzip' });
    expect(compressed.header('Content-Encoding')).toBe('gzip');
    expect((await site.ask('HEAD', url, BROWSER)).status).toBe(200);
    expect((await open(url, { Range: 'bytes=0-5' })).status).toBe(200);
    expect((await open(url, { 'If-None-Match': '"x"' })).status).toBe(200);
    const posted = await site.ask('POST', url, { ...BROWSER, 'Content-Length': '0' });
    expect(posted.status).toBeGreaterThan(399);
  });

  test.each(['hostile', 'folders'])('names are escaped, and links open: %s', async (folder) => {
    const { url: top } = await site.issue({ prefix: `/download/${folder}/`, listing: true });
    const expectEscaped = ({ status, text }: RawAnswer) => {
      expect([status, text.match(/<script/g)?.length]).toEqual([200, 1]);
      expect(text).not.toMatch(/<!--|href="javascript:|protected|Index of/);
    };
    const list = await open(top);
    expectEscaped(list);
    const found = links(list.text, top);
    expect(found).toHaveLength(HOSTILE.length);
    for (const path of found) {
      const name = decodeURIComponent(path.slice(top.length)).replace(/\/$/, '');
      const answer = await open(path);
      // A control character is in no path that Postern allows.
      if (name.includes('\n')) expect(answer.status).toBeGreaterThan(399);
      else if (folder === 'hostile') expect(answer.text).toBe(`content of ${name}`);
      else {
        expectEscaped(answer);
        expect(links(answer.text, path)).toEqual([`${path}x.txt`]);
        expect(answer.text).toMatch(/<h1>folders\/.+<\/h1>/s);
      }
    }
  });

  test('without listing, and for other folders, nginx never lists', async () => {
    const plain = await site.issue({ prefix: '/download/hls/' });
    const file = await site.issue({ path: '/download/hls' });
    const other = await site.issue({ prefix: '/download/other/', listing: true });
    const targets = `
      ${plain.url} ${plain.url}sub/ ${plain.url}?listing=true ${file.url}/
      /download/hls/?token=${file.access_token} /download/hls/?token=${other.access_token}
      /download/?token=${other.access_token} /download/~${other.access_token}/
      /download/~${other.access_token}/hls/ /download/~${other.access_token} /protected/hls/
      /protected/ ${url.slice(0, -1)} ${url}sub ${url}../ ${url}../other/ ${url}%2e%2e/other/
      ${url}..%2fother/ ${url}./ ${url}/ ${url}sub// ${url}.git/ ${url}.git/config ${url}.hidden
      ${url}%2ehidden ${url}sub/../.hidden ${url}none/ ${url}a.txt/ ${url}link/
      ${url}link/../../secret.txt`
      .trim()
      .split(/\s+/);
    const spoofed = { 'Postern-File': 'list hls', 'Postern-Target': '/protected/hls/' };
    for (const target of targets) {
      for (const headers of [{}, spoofed]) {
        const { status, text, header } = await open(target, headers);
        expect([target, Math.floor(status / 100), header('Location')]).toEqual([
          target,
          4,
          undefined,
        ]);
        expect(text).not.toMatch(/a\.txt|c\.txt|e\.txt|protected|a secret/);
      }
    }
  });

  test('a token in a cookie keeps working, a token in the query opens only the list', async () => {
    const cookie = await site.issue({ prefix: '/download/hls/', listing: true, cookie: true });
    const first = await open(`/download/hls/?token=${cookie.access_token}`);
    const [Cookie = ''] = (first.header('Set-Cookie') ?? '').split(';');
    const path = links(first.text, '/download/hls/').at(-1) ?? '';
    expect((await open(path, { Cookie })).status).toBe(200);
    expect((await open(path)).status).toBe(401);
  });

  test('index opens index.html instead, in a sandbox', async () => {
    const { url: page } = await site.issue({ prefix: '/download/hls/', index: true });
    const answer = await open(page);
    expect([answer.status, answer.text]).toEqual([200, 'the page of an uploader']);
    expect(answer.header('Content-Security-Policy')).toBe('sandbox');
    expect((await open(`${page}sub/`)).status).toBe(404);
  });

  test('a name and a disposition of the token do not make the list a download', async () => {
    const named = { filename: 'x.zip', disposition: 'attachment' };
    const { url: page } = await site.issue({ prefix: '/download/hls/', listing: true, ...named });
    expect((await open(page)).header('Content-Disposition')).toBeUndefined();
    expect((await open(`${page}a.txt`)).header('Content-Disposition')).toContain('x.zip');
  });
});

// nginx makes a list in its worker, so a flood of requests for a large one would delay everyone.
test.each(modes)('listing: by %s, a token gets a list only some times at once', async (mode) => {
  const site = await siteForTest({
    mode,
    ...withListing(mode),
    edit: {},
    files: { 'hls/a.txt': 'file a', 'hls/sub/b.txt': 'file b' },
    server: 'error_log error.log error;',
  });
  const issue = () => site.issue({ prefix: '/download/hls/', listing: true });
  const [{ url, access_token: token }, other] = [await issue(), await issue()];
  const status = async (target: string) => (await site.ask('GET', target)).status;
  const statuses = await Promise.all(Array.from({ length: 99 }, () => status(url)));
  expect(new Set(statuses)).toEqual(new Set([200, 429]));
  for (const target of [other.url, `${url}sub/`, `${url}a.txt`]) {
    expect(await status(target)).toBe(200);
  }
  expect(await site.nginx.errorLog()).not.toContain(token);
});

// A gate with an error, or another service: the snippet checks the URI, too.
describe.each(modes)('listing: by %s, another gate', (mode) => {
  let headers: Record<string, string> = {};
  let onPage: RequestListener = (request) => request.socket.destroy();
  const site = useSite({
    mode,
    ...withListing(mode),
    files: { 'hls/a.txt': 'file a' },
    locations: `location = /inside { rewrite ^ /protected/hls/ last; }
      location = /app { proxy_pass http://postern; }`,
    gate(request, response) {
      if (request.url === '/page') return onPage(request, response);
      response.writeHead(mode === 'X-Accel' ? 200 : 204, { ...headers, 'Content-Length': 0 }).end();
    },
  });
  const folder = { 'Postern-Target': '/protected/hls/', 'X-Accel-Redirect': '/protected/hls/' };
  const list = { ...folder, 'Postern-File': 'list hls' };
  function ask(path: string, told: Record<string, string>) {
    headers = told;
    return site.ask('GET', path, BROWSER);
  }

  test('the list opens without its head if the gate cannot write it', async () => {
    for (const listener of [
      onPage,
      (_, response) => response.writeHead(503).end('the text of the gate'),
    ] satisfies RequestListener[]) {
      onPage = listener;
      const { status, text } = await ask('/download/hls/', list);
      expect(status).toBe(200);
      expect(links(text, '/download/hls/')).toEqual(['/download/hls/a.txt']);
      expect(text).toMatch(/^<html>\r\n<head>(?:\r\n)?<title><\/title>/);
      expect(text).not.toMatch(/protected|Index of|cannot be opened|the text of the gate/);
    }
  });

  test('nginx lists only what it names as a list', async () => {
    const others = ['listed', '', 'x list', 'List', '2026-11-26T07:05:58Z list'];
    for (const [path, told, status] of [
      ['/download/hls/', folder, 404],
      ...others.map(
        (other) => ['/download/hls/', { ...folder, 'Postern-File': other }, 404] as const,
      ),
      ['/inside', list, 404],
      ['/download/hls/', { ...list, 'Postern-Target': '/protected/other/' }, 404],
      ['/app', list, undefined],
      ['/protected/hls/', list, undefined],
    ] as const) {
      const answer = await ask(path, told);
      if (status !== undefined) expect(answer.status, path).toBe(status);
      expect(answer.text, path).not.toContain('a.txt');
    }
  });
});
