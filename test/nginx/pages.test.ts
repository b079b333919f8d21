import type { RequestListener } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  BROWSER,
  decisions,
  denial,
  expectPage,
  expectSentence,
  withPages,
} from '../support/pages.ts';
import type { RawAnswer } from '../support/raw.ts';
import { modes, siteForTest, startSite, useSite } from '../support/site.ts';

const fakeGate = withPages(decisions);

const title = ({ text }: RawAnswer) => /<title>(.+)<\/title>/.exec(text)?.[1];
const heading = ({ text }: RawAnswer) => /<h1>(.+)<\/h1>/.exec(text)?.[1];

const CODES = [
  ...['missing_token', 'invalid_token', 'confirmation_required', 'pin_required', 'pin_wrong'].map(
    (code) => [401, code] as const,
  ),
  [401, 'some_future_code'],
  ...['insufficient_scope', 'prefetch', '', 'path_is_folder'].map((code) => [403, code] as const),
  [503, 'unavailable'],
] as const;

describe.each(modes)('pages: by %s', (mode) => {
  const site = useSite({
    mode,
    gate: fakeGate,
    server: 'add_header Strict-Transport-Security max-age=9 always; error_page 404 /own;',
    locations: 'location = /own { return 200 "the page of the site"; }',
  });
  const ask = (query: string, headers = {}, method = 'GET') =>
    site.ask(method, `/download/a?${query}`, { ...BROWSER, ...headers });

  // pages/pages.test.ts has the texts of each page.
  test.each(CODES)('%s %s is a whole page in the language of the reader', async (status, code) => {
    const answer = await ask(`${status},${code}`, { 'Accept-Language': 'de' });
    expectPage(answer, status, 'de');
    const before = code === 'pin_wrong' ? 'Fehler: ' : '';
    expect(title(answer)).toBe(`${before}${heading(answer)}`);
    const challenge = status === 401 ? 'Bearer realm="postern"' : undefined;
    expect(answer.header('WWW-Authenticate')).toBe(challenge);
    expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
    const hsts = status === 503 ? undefined : 'max-age=9';
    expect(answer.header('Strict-Transport-Security')).toBe(hsts);
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

  test('a request for the internal location gets a page that does not speak of a valid link', async () => {
    const answer = await site.ask('GET', '/protected/a', { ...BROWSER, 'Accept-Language': 'en' });
    expectPage(answer, 404, 'en');
    expect(answer.text).not.toContain('valid');
  });

  test('a file that is missing is a page for browsers, with the status 404', async () => {
    const found = mode === 'X-Accel' ? 200 : 204;
    const page = await ask(`${found},`, { 'Accept-Language': 'de' });
    expectPage(page, 404, 'de');
    expect(title(page)).toBe('Die Datei ist nicht da');
    const plain = await ask(`${found},`, { Accept: '*/*' });
    expect([plain.status, plain.header('Content-Type')]).toEqual([404, 'application/problem+json']);
    expect(JSON.parse(plain.text)).toEqual({ type: 'about:blank', status: 404, code: 'not_found' });
    expect(JSON.stringify(plain.headers)).not.toMatch(/protected|postern-/);
  });
});

test.each(modes)(
  'pages: by %s the request for a page has the code, the name, the time and the language, and nothing else of the client',
  async (mode) => {
    const seen: unknown[] = [];
    const site = await siteForTest({
      mode,
      gate(request, response) {
        if (request.url === '/page') seen.push([request.method, request.headers]);
        fakeGate(request, response);
      },
    });
    Object.assign(denial, { file: 'a b', until: '2026-11-26T07:05:58Z' });
    onTestFinished(() => {
      delete denial.file;
      delete denial.until;
    });
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
    const headers = {
      host: 'postern',
      'postern-page': 'pin_required',
      'postern-file': '2026-11-26T07:05:58Z a%20b',
      'accept-language': 'de',
      'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
    };
    expect(seen).toEqual([['GET', headers]]);
  },
);

test.each(modes)('pages: by %s only a file has a Content-Disposition', async (mode) => {
  const site = await siteForTest({ mode, files: { 'a.txt': 'file a' } });
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
  let onPage: RequestListener = () => {};
  const site = useSite({
    mode,
    files: { a: 'file a' },
    gate: (request, response) => (request.url === '/page' ? onPage : decisions)(request, response),
  });
  const x = mode === 'X-Accel';
  const denials = [
    ['GET', '401,invalid_token', 401],
    ['POST', '401,invalid_token', 401],
    ['GET', '403,insufficient_scope', 403],
    ['POST', '403,insufficient_scope', 403],
    ['GET', '503,unavailable', 503],
    ['POST', '503,unavailable', 503],
    ['GET', x ? '200,' : '204,', 404],
    ...(x ? [['GET', '400,invalid_request', 400] as const] : []),
  ] as const;

  test.each(Object.entries(BROKEN))('stays as it is if the gate %s', async (name, listener) => {
    onPage = listener;
    // At once: nginx waits for a gate that does not answer.
    const asked = denials.map(async ([method, query, status]) => {
      const answer = await site.ask(method, `/download/a?${query}`, BROWSER);
      expect([method, query, answer.status]).toEqual([method, query, status]);
      expect(answer.text).not.toMatch(/file a|the text of the gate/);
      expect(answer.header('Location')).toBeUndefined();
      if (name === 'answers X-Accel-Redirect') expect(answer.text).toBe('the page\n');
      else expectSentence(answer, status);
    });
    await Promise.all(asked);
  });

  test('stays as it is if the gate ends between the decision and the page', async () => {
    const ending = await startSite({
      mode,
      gate(request, response) {
        response.once('close', () => void ending.gate.stop());
        decisions(request, response);
      },
    });
    onTestFinished(ending.stop);
    expectSentence(await ending.ask('GET', '/download/a?401,invalid_token', BROWSER), 401);
  });

  test('stays as it is with a body, which the gate does not get', async () => {
    const site = await siteForTest({ mode, gate: fakeGate, server: 'client_max_body_size 1m;' });
    const ask = (length: number) => {
      const headers = { ...BROWSER, 'Content-Length': String(length) };
      return site.ask('PUT', '/download/a?401,invalid_token', headers, 'x'.repeat(length));
    };
    expectPage(await ask(999), 401);
    // nginx would write the body to a file before it asks for a page.
    for (const length of [1000, 500_000]) {
      const { status, text } = await ask(length);
      const isTooLarge = mode === 'X-Accel' && length > 1024;
      expect(status).toBe(isTooLarge ? 413 : 401);
      expect(JSON.parse(text).code).toBe(isTooLarge ? 'content_too_large' : 'invalid_token');
    }
    expect((await ask(5_000_000)).status).toBe(413);
  });

  test('does not change if the site has its own rules', async () => {
    const site = await siteForTest({
      mode,
      gate: fakeGate,
      server: `
        error_page 401 403 404 502 =200 /own; proxy_intercept_errors on; recursive_error_pages off;
        auth_basic Site; auth_basic_user_file none;`,
      locations: 'location = /own { return 200 "the page of the site"; }',
    });
    expectPage(await site.ask('GET', '/download/a?401,invalid_token', BROWSER), 401);
    expectPage(await site.ask('GET', '/download/a?403,prefetch', BROWSER), 403);
  });
});
