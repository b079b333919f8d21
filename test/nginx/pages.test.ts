import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { MAX_PAGES } from '../../service/pages/pages.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { withPages } from '../support/pages.ts';
import type { RawAnswer } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const BROWSER = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const LANGUAGES = ['en', 'de'] as const;
const SENTENCE =
  'The link cannot be opened now. Try again later, or ask the sender for a new link.\n';

/** A gate whose denial is written in the query: `?401,pin_wrong`. The other headers are in `denial`. */
const denial: { file?: string; until?: string } = {};
const decisions: RequestListener = (request, response) => {
  const [, status = '401', code = ''] =
    /\?(\d+),(\w*)/.exec(String(request.headers['x-original-uri'])) ?? [];
  const { file, until } = denial;
  response.writeHead(Number(status), {
    ...(code !== '' && { 'Postern-Reason': code }),
    ...(file !== undefined && { 'Postern-File': encodeURIComponent(file) }),
    ...(until !== undefined && { 'Postern-Until': until }),
    ...(status === '401' && { 'WWW-Authenticate': 'Bearer realm="postern"' }),
    ...(status === '200' && { 'X-Accel-Redirect': '/protected/none' }),
    ...(status === '204' && { 'Postern-Target': '/protected/none' }),
    'Content-Length': '0',
  });
  response.end();
};
const fakeGate = withPages(decisions);

/** What every page has, in each language and for each mode. */
function expectPage(answer: RawAnswer, status: number, lang = 'en'): void {
  expect(answer.status).toBe(status);
  expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8');
  expect(answer.header('Content-Security-Policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[^' ]{44}'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
  );
  expect(answer.header('Referrer-Policy')).toMatch(/^(no-referrer|same-origin)$/);
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('X-Robots-Tag')).toBe('noindex');
  expect(answer.headers.filter(([name]) => name === 'cache-control')).toHaveLength(1);
  expect(answer.header('Cache-Control')).toMatch(/no-store/);
  expect(answer.text).toMatch(new RegExp(`^<!doctype html>\n<html lang="${lang}">\n<head>`));
  expect(answer.text).toMatch(/<\/main>\n<\/body>\n<\/html>\s*$/);
  expect(answer.text).not.toMatch(/<!--|an error occurred|<script|<link|src=|@import|url\(/);
  expect(answer.body.length).toBeLessThan(10 * 1024);
}

/** What a browser gets if there is no page: the status of the denial, and one sentence. */
function expectSentence(answer: RawAnswer, status: number): void {
  expect(answer.status).toBe(status);
  expect(answer.text).toBe(SENTENCE);
  expect(answer.header('Content-Type')).toBe('text/plain');
  expect(answer.header('Cache-Control')).toMatch(/no-store/);
  expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
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
      expect(answer.header('Strict-Transport-Security')).toBe(
        status === 503 ? undefined : 'max-age=9',
      );
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

  test('the page is in the language of the client, however long its header is', async () => {
    const asked = ['de-AT,de;q=0.9,en;q=0.8', 'de', `${'x,'.repeat(3000)}de`];
    for (const header of asked) {
      expectPage(await ask('401,invalid_token', { 'Accept-Language': header }), 401, 'de');
    }
    expectPage(await ask('401,invalid_token', { 'Accept-Language': 'fr' }), 401, 'en');
  });

  test('programs get the problem document, also a program that names a language', async () => {
    for (const [status, code] of CODES) {
      const answer = await ask(`${status},${code}`, { Accept: '*/*', 'Accept-Language': 'de' });
      expect(answer.status).toBe(status);
      expect(answer.header('Content-Type')).toBe('application/problem+json');
      expect(JSON.parse(answer.text)).toMatchObject({ status, code: code || 'denied' });
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
    expect([plain.status, plain.header('Content-Type')]).toEqual([404, 'application/problem+json']);
    expect(JSON.parse(plain.text)).toEqual({ type: 'about:blank', status: 404, code: 'not_found' });
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

  // test/pages/pages.test.ts has more names.
  test.each([
    ['a script', '"><script>alert(1)</script>', '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['the end of the title', '</title>', '&lt;/title&gt;'],
    ['variables and escapes', '$http_cookie $$ \\ %0a%0d', '$http_cookie $$ \\ %0a%0d'],
    ['right to left', 'a\u202etxt.exe', 'a\ufffdtxt.exe'],
    [
      'control characters',
      'a\r\nX-Evil: 1\r\n\r\n',
      'a\ufffd\ufffdX-Evil: 1\ufffd\ufffd\ufffd\ufffd',
    ],
    ['255 emoji', '\u{1f600}'.repeat(255), '\u{1f600}'.repeat(255)],
  ])('%s: shown as text', async (_, file, shown) => {
    const text = await show('pin_wrong', file);
    expect(text).toContain(`<meta property="og:title" content="${shown}">`);
    expect(text).toContain(`<p class="file"><bdi>${shown}</bdi></p>`);
  });

  test('other pages do not show the name', async () => {
    for (const code of ['invalid_token', 'missing_token', 'some_future_code']) {
      expect(await show(code, 'film.mp4')).not.toMatch(/film|og:title/);
    }
  });

  test('the page shows until when the link works', async () => {
    const text = await show('confirmation_required', 'film.mp4', '2026-11-26T07:05:58Z', 'de');
    expect(text).toContain('<time datetime="2026-11-26T07:05:58Z">26. November 2026 um 07:05 UTC<');
  });
});

/** What the gate does with the request for a page. */
const BROKEN: Readonly<Record<string, RequestListener>> = {
  'closes the connection': (request) => request.socket.destroy(),
  'does not answer': () => {},
  'answers 503': (_, response) => response.writeHead(503).end('the text of the gate'),
  'answers 302': (_, response) => response.writeHead(302, { Location: '/protected/a' }).end(),
  'answers 401': (_, response) => response.writeHead(401).end('the text of the gate'),
  'answers X-Accel-Redirect': (_, response) =>
    response
      .writeHead(200, { 'X-Accel-Redirect': '/protected/a', 'Content-Length': '9' })
      .end('the page\n'),
};

describe.each(modes)('pages: the status of the denial by %s', (mode) => {
  describe.each(Object.entries(BROKEN))('if the gate %s', (name, onPage) => {
    test('stays as it is', async () => {
      const site = await startSite({
        mode,
        files: { a: 'file a' },
        gate: (request, response) =>
          (request.url === '/page' ? onPage : decisions)(request, response),
      });
      onTestFinished(site.stop);
      const x = mode === 'X-Accel';
      for (const [query, status] of [
        ['401,invalid_token', 401],
        ['403,insufficient_scope', 403],
        ['503,unavailable', 503],
        [x ? '200,' : '204,', 404],
        ...(x ? [['400,invalid_request', 400] as const] : []),
      ] as const) {
        for (const method of [400, 404].includes(status) ? ['GET'] : ['GET', 'POST']) {
          const answer = await site.ask(method, `/download/a?${query}`, BROWSER);
          expect([query, answer.status]).toEqual([query, status]);
          expect(answer.text).not.toMatch(/file a|the text of the gate/);
          expect(answer.header('Location')).toBeUndefined();
          if (name === 'answers X-Accel-Redirect') expect(answer.text).toBe('the page\n');
          else expectSentence(answer, status);
        }
      }
    });
  });

  test('stays as it is if the gate ends between the decision and the page', async () => {
    for (const query of ['401,invalid_token', '403,prefetch', '503,unavailable']) {
      const site = await startSite({
        mode,
        gate(request, response) {
          response.once('close', () => void site.gate.stop());
          decisions(request, response);
        },
      });
      const { stop } = site.nginx;
      onTestFinished(stop);
      const answer = await site.ask('GET', `/download/a?${query}`, BROWSER);
      expectSentence(answer, Number(query.slice(0, 3)));
    }
  });

  test('stays as it is with a body, which the gate does not get', async () => {
    const site = await startSite({ mode, gate: fakeGate, server: 'client_max_body_size 1m;' });
    onTestFinished(site.stop);
    const ask = (length: number) => {
      const headers = { ...BROWSER, 'Content-Length': String(length) };
      return site.ask('PUT', '/download/a?401,invalid_token', headers, 'x'.repeat(length));
    };
    expectPage(await ask(1000), 401);
    const large = await ask(500_000);
    if (mode === 'auth_request') expectPage(large, 401);
    else expect(large.status).toBe(413);
    expect((await ask(5_000_000)).status).toBe(413);
  });

  test('does not change if the site has its own rules', async () => {
    const site = await startSite({
      mode,
      gate: fakeGate,
      server: `
        error_page 401 403 404 502 =200 /own; proxy_intercept_errors on; recursive_error_pages off;
        auth_basic Site; auth_basic_user_file none;`,
      locations: 'location = /own { return 200 "the page of the site"; }',
    });
    onTestFinished(site.stop);
    expectPage(await site.ask('GET', '/download/a?401,invalid_token', BROWSER), 401);
    expectPage(await site.ask('GET', '/download/a?403,prefetch', BROWSER), 403);
  });

  test('is 503 with a page if the store is down, and with a sentence if the gate is down', async () => {
    const site = await startSite({ mode });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a' });
    site.postern.store.find = () => Promise.reject(new StoreUnavailable('gone'));
    const page = await site.ask('GET', url, BROWSER);
    expectPage(page, 503);
    expect([title(page), page.header('Retry-After')]).toEqual(['Not available at the moment', '5']);
    await site.gate.stop();
    expectSentence(await site.ask('GET', url, BROWSER), 503);
  });
});

describe.each(modes)('pages: the request for a page by %s', (mode) => {
  let site: Site;
  const seen: unknown[] = [];
  beforeAll(async () => {
    const gate = withPages(decisions);
    site = await startSite({
      mode,
      gate(request, response) {
        if (request.url === '/page') seen.push([request.method, request.headers]);
        gate(request, response);
      },
    });
  });
  afterAll(() => site.stop());

  test('has the code, the name, the time and the language, and nothing else of the client', async () => {
    Object.assign(denial, { file: 'a b', until: '2026-11-26T07:05:58Z' });
    const secret = `ps_${'s'.repeat(32)}`;
    await site.ask('POST', `/download/~${secret}/a?401,pin_required&token=${secret}`, {
      ...BROWSER,
      'Accept-Language': 'de',
      Authorization: `Bearer ${secret}`,
      Cookie: `postern=${secret}; postern_resume=${secret}`,
      Referer: `http://files.example/?token=${secret}`,
      'Postern-Page': 'listing',
      'Postern-File': 'evil',
      'X-Original-URI': `/${secret}`,
    });
    expect(seen.splice(0)).toEqual([
      [
        'GET',
        {
          host: 'postern',
          'postern-page': 'pin_required',
          'postern-file': 'a%20b',
          'postern-until': '2026-11-26T07:05:58Z',
          'accept-language': 'de',
        },
      ],
    ]);
    delete denial.file;
    delete denial.until;
  });

  test('cannot be sent by a client', async () => {
    for (const path of [
      '/.postern/page',
      '/.postern/page/failed',
      '/.postern/page/',
      '/.postern/pages',
      '/%2epostern/page',
      '//.postern//page',
      '/download/../.postern/page',
      '/x/..%2f.postern/page',
      '/.postern/page?code=listing',
    ]) {
      for (const method of ['GET', 'POST']) {
        const answer = await site.ask(method, path, { ...BROWSER, 'Postern-Page': 'listing' });
        expect([path, answer.status]).toEqual([path, 404]);
      }
    }
    expect(seen).toEqual([]);
  });
});

test('pages: of 2,000 denials in a second a limited number are pages, and all keep their status', async () => {
  const site = await startSite({ mode: 'auth_request', gate: withPages(decisions, () => 0) });
  onTestFinished(site.stop);
  let sentences = 0;
  for (let i = 0; i < 80; i++) {
    const asked = Array.from({ length: 25 }, () =>
      site.fetch('/download/a?401,invalid_token', { headers: BROWSER }),
    );
    for (const answer of await Promise.all(asked)) {
      expect(answer.status).toBe(401);
      if ((await answer.text()) === SENTENCE) sentences += 1;
    }
  }
  // On a busy machine nginx gives up some pages.
  expect(sentences).toBeGreaterThanOrEqual(2000 - MAX_PAGES);
  expect(sentences).toBeLessThan(2000);
  expectPage(await site.ask('GET', '/download/a?401,pin_required', BROWSER), 401);
  expect((await site.ask('GET', '/download/a?403,', BROWSER)).text).toBe(SENTENCE);
});

test.each(modes)('pages: by %s the log has the token and the code of a page', async (mode) => {
  const site = await startSite({ mode });
  onTestFinished(site.stop);
  const { id, url } = await site.issue({ path: '/download/a', subject: 'ada' });
  await site.ask('GET', url, BROWSER);
  await site.ask('GET', url.replace('/a', '/b'), BROWSER);
  await site.ask('GET', '/download/a', BROWSER);
  const lines = async () =>
    (await site.log())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ status, code, token_id, subject }) => [status, code, token_id, subject]);
  await expect.poll(lines).toEqual([
    [404, 'allow', id, 'ada'],
    [403, 'insufficient_scope', id, ''],
    [401, 'missing_token', '', ''],
  ]);
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
    http: 'limit_conn_zone $server_name zone=one:1m;',
    only: `
      location ^~ /download/ { include postern/protect.conf; }
      location ^~ /protected/ {
        include postern/internal.conf; alias $files/;
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
