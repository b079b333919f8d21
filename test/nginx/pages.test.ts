import { readdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { projectRoot } from '../../dev/paths.ts';
import type { RawAnswer } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const BROWSER = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const LANGUAGES = ['en', 'de'] as const;
const PAGES = join(projectRoot, 'nginx', 'snippets', 'pages');

/** A gate whose denial is written in the query: `?401,pin_wrong`. The other headers are in `denial`. */
const denial: { file?: string; until?: string } = {};
const fakeGate: RequestListener = (request, response) => {
  const [, status = '401', code = ''] =
    /\?(\d+),(\w*)/.exec(String(request.headers['x-original-uri'])) ?? [];
  const { file, until } = denial;
  response.writeHead(Number(status), {
    ...(code !== '' && { 'Postern-Reason': code }),
    ...(file !== undefined && { 'Postern-File': Buffer.from(file).toString('latin1') }),
    ...(until !== undefined && { 'Postern-Until': until }),
    ...(status === '401' && { 'WWW-Authenticate': 'Bearer realm="postern"' }),
    ...(status === '200' && { 'X-Accel-Redirect': '/protected/none' }),
    ...(status === '204' && { 'Postern-Target': '/protected/none' }),
    'Content-Length': '0',
  });
  response.end();
};

/** What every page has, in each language and for each mode. */
function expectPage(answer: RawAnswer, status: number, lang = 'en'): void {
  expect(answer.status).toBe(status);
  expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8');
  expect(answer.header('Content-Security-Policy')).toBe(
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  expect(answer.header('Referrer-Policy')).toBe('no-referrer');
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('X-Robots-Tag')).toBe('noindex');
  expect(answer.headers.filter(([name]) => name === 'cache-control')).toHaveLength(1);
  expect(answer.header('Cache-Control')).toMatch(/no-store/);
  expect(answer.text).toMatch(new RegExp(`^<!doctype html>\n<html lang="${lang}">\n<head>`));
  expect(answer.text).toMatch(/<\/main>\n<\/body>\n<\/html>\s*$/);
  expect(answer.text).not.toMatch(
    /<!--|\(none\)|an error occurred|<script|<link|src=|@import|url\(/,
  );
  expect(answer.body.length).toBeLessThan(10 * 1024);
}

const title = ({ text }: RawAnswer) => /<title>(.+)<\/title>/.exec(text)?.[1];
const heading = ({ text }: RawAnswer) => /<h1>(.+)<\/h1>/.exec(text)?.[1];

const CODES: ReadonlyArray<[status: number, code: string, page?: string]> = [
  [401, 'missing_token'],
  [401, 'invalid_token'],
  [401, 'confirmation_required'],
  [401, 'pin_required'],
  [401, 'pin_wrong', 'pin_required'],
  [401, 'some_future_code', 'denied'],
  [403, 'insufficient_scope', 'denied'],
  [403, 'prefetch', 'denied'],
  [403, '', 'denied'],
  [403, 'path_is_folder'],
  [503, 'unavailable'],
];

test('pages: each language has the same files', () => {
  const [english, ...others] = LANGUAGES.map((lang) => readdirSync(join(PAGES, lang)).sort());
  for (const other of others) expect(other).toEqual(english);
});

describe.each(modes)('pages: by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({
      mode,
      gate: fakeGate,
      server: 'add_header Strict-Transport-Security max-age=9 always; error_page 404 /own;',
      locations: 'location = /own { return 200 "the page of the site"; }',
    });
  });
  afterAll(() => site.stop());
  const ask = (query: string, headers = {}, method = 'GET') =>
    site.ask(method, `/download/a?${query}`, { ...BROWSER, ...headers });

  test.each(CODES)('%s %s is a whole page in each language', async (status, code, page = code) => {
    const titles: string[] = [];
    for (const lang of LANGUAGES) {
      const answer = await ask(`${status},${code}`, { 'Accept-Language': lang });
      expectPage(answer, status, lang);
      expect(title(answer)).toBe(heading(answer));
      titles.push(title(answer) ?? '');
      const other = await ask(`${status},${page}`, { 'Accept-Language': lang });
      expect(title(answer)).toBe(title(other));
      expect(answer.header('WWW-Authenticate')).toBe(
        status === 401 ? 'Bearer realm="postern"' : undefined,
      );
      expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
    }
    expect(new Set(titles).size).toBe(LANGUAGES.length);
  });

  test('a page is the same for each method, except that HEAD has no body', async () => {
    const page = await ask('401,invalid_token');
    for (const method of ['POST', 'PUT', 'DELETE', 'PROPFIND']) {
      const answer = await ask('401,invalid_token', {}, method);
      expectPage(answer, 401);
      expect(answer.text).toBe(page.text);
    }
    const head = await ask('401,invalid_token', {}, 'HEAD');
    expect([head.status, head.text]).toEqual([401, '']);
    expect(head.header('Content-Security-Policy')).toBeDefined();
  });

  test('a page logs no warning, which would contain the token', async () => {
    for (const [status, code] of CODES) await ask(`${status},${code}`);
    await ask(mode === 'auth_request' ? '204' : '200');
    expect(await site.nginx.errorLog()).not.toContain('uninitialized');
  });

  test('a conditional request or a range gets the whole page', async () => {
    const date = new Date().toUTCString();
    for (const headers of [
      { 'If-None-Match': '*' },
      { 'If-Modified-Since': date },
      { 'If-Match': '"x"' },
      { Range: 'bytes=0-1' },
    ]) {
      expectPage(await ask('401,invalid_token', headers), 401);
    }
  });

  test('the first language in Accept-Language that exists is used', async () => {
    for (const [header, lang] of [
      ['de', 'de'],
      ['de-AT,de;q=0.9,en;q=0.8', 'de'],
      ['en-US,de;q=0.9', 'en'],
      ['fr-FR, fr;q=0.9, de;q=0.8, en;q=0.7', 'de'],
      ['fr', 'en'],
      ['den, ende', 'en'],
      ['', 'en'],
      ['../../de', 'en'],
      [`${'x,'.repeat(3000)}de`, 'de'],
    ] as const) {
      expectPage(await ask('401,invalid_token', { 'Accept-Language': header }), 401, lang);
    }
  });

  test('programs get the problem document, also a program that names a language', async () => {
    for (const [status, code] of CODES) {
      const answer = await ask(`${status},${code}`, { Accept: '*/*', 'Accept-Language': 'de' });
      expect(answer.status).toBe(status);
      expect(answer.header('Content-Type')).toBe('application/problem+json');
      expect(JSON.parse(answer.text)).toMatchObject({ status, code: code || 'insufficient_scope' });
      expect(answer.header('Strict-Transport-Security')).toBe(
        status === 503 ? undefined : 'max-age=9',
      );
    }
  });

  test('a file that is missing is a page for browsers, with the status 404', async () => {
    const found = mode === 'X-Accel' ? 200 : 204;
    for (const lang of LANGUAGES) {
      const answer = await ask(`${found},`, { 'Accept-Language': lang });
      expectPage(answer, 404, lang);
      expect(title(answer)).toBe(
        { en: 'The file is not here', de: 'Die Datei ist nicht da' }[lang],
      );
    }
    const plain = await ask(`${found},`, { Accept: '*/*' });
    expect([plain.status, plain.header('Content-Type'), plain.text]).toEqual([
      404,
      'text/plain',
      'No such file.\n',
    ]);
  });
});

describe.each(modes)('pages: the name of the file by %s', (mode) => {
  let site: Site;
  beforeAll(async () => {
    site = await startSite({ mode, gate: fakeGate });
  });
  afterAll(async () => {
    delete denial.file;
    delete denial.until;
    await site.stop();
  });
  const show = async (code: string, file: string, until?: string, lang = 'en') => {
    denial.file = file;
    denial.until = until as string;
    const answer = await site.ask('GET', `/download/a?401,${code}`, {
      ...BROWSER,
      'Accept-Language': lang,
    });
    expectPage(answer, 401, lang);
    return answer.text;
  };

  // As the gate escapes them.
  test.each([
    ['film.mp4', 'film.mp4'],
    ['a script', '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['an include', '&lt;!--# include virtual=&quot;/etc/passwd&quot; --&gt;'],
    ['an echo', '&lt;!--# echo var=&quot;http_cookie&quot; --&gt;'],
    ['variables and escapes', '$http_cookie $postern_page $$ \\$ \\&quot; %0a%0d %3Cb%3E'],
    ['right-to-left and emoji', 'Q3 r\u00e9sum\u00e9 \u202etxt.exe \u4e2d\u6587 \u{1f600}'],
    ['63 emoji', '\u{1f600}'.repeat(63)],
    ['255 letters', 'x'.repeat(255)],
    ['255 escaped characters', '&lt;'.repeat(255)],
    ['entities', '&#39;&amp;amp;--&gt;'],
  ])('%s: shown as it is', async (_, file) => {
    for (const code of ['confirmation_required', 'pin_required', 'pin_wrong']) {
      for (const lang of LANGUAGES) {
        const text = await show(code, file, undefined, lang);
        expect(text.split(file)).toHaveLength(3);
        expect(text).toContain(`<meta property="og:title" content="${file}">`);
        expect(text).toContain(`<p class="file"><bdi>${file}</bdi></p>`);
      }
    }
  });

  test('a name that the gate has not escaped is not shown', async () => {
    for (const file of ['"', "'", '<b>', 'a>b', '<!--# include virtual="/own" -->']) {
      const text = await show('confirmation_required', file);
      expect(text).toContain('<meta property="og:title" content="">');
      expect(text).not.toContain('<bdi>');
    }
  });

  test('other pages do not show the name', async () => {
    for (const code of ['invalid_token', 'missing_token', 'some_future_code']) {
      expect(await show(code, 'film.mp4')).not.toMatch(/film|og:title/);
    }
  });

  test('the page shows until when the link works', async () => {
    const until = '2026-11-26T07:05:58Z';
    const english = await show('confirmation_required', 'film.mp4', until);
    expect(english).toContain(`until <time datetime="${until}">2026-11-26, 07:05 UTC</time>.`);
    const german = await show('pin_required', 'film.mp4', until, 'de');
    expect(german).toContain(`<time datetime="${until}">26.11.2026, 07:05 Uhr (UTC)</time>`);
    for (const other of ['', 'tomorrow', '"><script>']) {
      expect(await show('confirmation_required', 'film.mp4', other)).not.toContain('<time');
    }
  });

  test('the forms post to the same URL, with a button and without a script', async () => {
    const confirm = await show('confirmation_required', 'film.mp4');
    expect(confirm).toContain('<form method="post"><button>Download</button></form>');
    const pin = await show('pin_required', 'film.mp4');
    expect(pin).toMatch(/<form method="post">\n<label for="pin">PIN<\/label>/);
    expect(pin).toMatch(/<input id="pin" name="pin" [^>]*required>/);
    expect(pin).not.toContain('aria-invalid');
    const wrong = await show('pin_wrong', 'film.mp4');
    expect(wrong).toContain('<p class="error" id="wrong">');
    expect(wrong).toMatch(/<input id="pin" [^>]*aria-invalid="true" aria-describedby="wrong">/);
  });
});

test.each(modes)('pages: by %s without the folder the status and a text remain', async (mode) => {
  const site = await startSite({ mode, gate: fakeGate });
  onTestFinished(site.stop);
  await rename(join(site.nginx.dir, 'postern', 'pages'), join(site.nginx.dir, 'away'));
  for (const [status, code] of CODES) {
    const answer = await site.ask('GET', `/download/a?${status},${code}`, BROWSER);
    expect([answer.status, answer.header('Content-Type')]).toEqual([
      status,
      'text/html; charset=utf-8',
    ]);
    expect(answer.text).toMatch(/^<!doctype html>/);
    expect(answer.text).toContain(`This link does not open the file (${status}).`);
  }
});

test.each(modes)(
  'pages: by %s only a file has the Content-Disposition of the token',
  async (mode) => {
    const site = await startSite({ mode, files: { 'a.txt': 'file a' } });
    onTestFinished(site.stop);
    const ask = async (path: string, headers = {}) => {
      const { url } = await site.issue({ path, filename: 'Report.pdf' });
      const answer = await site.ask('GET', url, headers);
      return [answer.status, answer.header('Content-Disposition')];
    };
    const named = 'attachment; filename="Report.pdf"';
    expect(await ask('/download/a.txt')).toEqual([200, named]);
    expect(await ask('/download/a.txt', { Range: 'bytes=0-1' })).toEqual([206, named]);
    expect(await ask('/download/none.txt')).toEqual([404, undefined]);
    expect(await ask('/download/none.txt', BROWSER)).toEqual([404, undefined]);
  },
);

test('pages: too many downloads with one token are a page with the status 429', async () => {
  const site = await startSite({
    mode: 'auth_request',
    files: { 'a.bin': Buffer.alloc(8_000_000) },
    http: 'include postern/limit-conn.conf; limit_conn_zone $server_name zone=one:1m;',
    only: `
      location ^~ /download/ { include postern/protect.conf; }
      location ^~ /protected/ {
        include postern/internal.conf; include postern/headers.conf; alias $files/;
        limit_conn postern_connections 1;
      }`,
  });
  onTestFinished(site.stop);
  const { url } = await site.issue({ path: '/download/a.bin', limit_rate: 1000 });
  const slow = new AbortController();
  const first = await site.fetch(url, { signal: slow.signal });
  expect(first.status).toBe(200);
  expectPage(await site.ask('GET', url, BROWSER), 429);
  const program = await site.ask('GET', url);
  expect([program.status, JSON.parse(program.text).code]).toEqual([429, 'too_many_requests']);
  slow.abort();
  await first.text().catch(() => {});
});
