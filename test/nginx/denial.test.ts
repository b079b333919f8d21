import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreUnavailable } from '../../service/token/store.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const UNKNOWN = `ps_${'x'.repeat(32)}`;
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

const PAGE: Readonly<Record<string, string>> = {
  missing_token: 'This address is not complete',
  invalid_token: 'This link no longer works',
  path_is_folder: 'This link is for a folder',
  unavailable: 'Not available at the moment',
  denied: 'This link does not open this file',
};

describe.each(modes)('denial: by %s', (mode) => {
  let site: Site;
  let own: string;
  beforeAll(async () => {
    site = await startSite({ mode, files: { 'a.mp4': 'file a' } });
    own = (await site.issue({ path: '/download/a.mp4' })).access_token;
    const find = site.postern.store.find;
    site.postern.store.find = (id) =>
      unavailable ? Promise.reject(new StoreUnavailable('gone')) : find(id);
  });
  afterAll(() => site.stop());
  let unavailable = false;

  const bearer = 'Bearer realm="postern"';
  const malformed = mode === 'X-Accel' ? 400 : 403;
  const cases = [
    { code: 'missing_token', status: 401, query: '', challenge: bearer },
    {
      code: 'invalid_token',
      status: 401,
      query: `?token=${UNKNOWN}`,
      challenge: `${bearer}, error="invalid_token"`,
    },
    { code: 'insufficient_scope', status: 403, path: '/download/b.mp4' },
    { code: 'prefetch', status: 403, headers: { 'Service-Worker': 'script' } },
    { code: 'invalid_request', status: malformed, path: '/download/a%5c.mp4' },
    { code: 'path_is_folder', status: malformed, path: '/download/folder.mp4/' },
    { code: 'unavailable', status: 503 },
  ];

  describe.each(cases)('$code', ({ code, status, path, query, headers, challenge }) => {
    const ask = async (method: string, accept?: string) => {
      unavailable = code === 'unavailable';
      const target = (path ?? '/download/a.mp4') + (query ?? `?token=${own}`);
      return site.ask(method, target, {
        ...headers,
        ...(accept !== undefined && { Accept: accept }),
      });
    };

    test.each([undefined, '*/*', 'application/json', 'video/mp4', `application/json,${BROWSER}`])(
      'is a problem document for %s',
      async (accept) => {
        const answer = await ask('GET', accept);
        expect(answer.status).toBe(status);
        expect(answer.header('Content-Type')).toBe('application/problem+json');
        expect(JSON.parse(answer.text)).toEqual({
          type: 'about:blank',
          status,
          code,
        });
        expect(answer.header('WWW-Authenticate')).toBe(challenge);
        expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
      },
    );

    test('is a page for a browser', async () => {
      const answer = await ask('GET', BROWSER);
      expect(answer.status).toBe(status);
      expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8');
      expect(answer.text).toMatch(/^<!doctype html>/);
      expect(answer.text).toContain(`<h1>${PAGE[code] ?? PAGE.denied}</h1>`);
      expect(answer.header('WWW-Authenticate')).toBe(challenge);
      expect(answer.header('Retry-After')).toBe(status === 503 ? '5' : undefined);
    });

    test('has no body by HEAD', async () => {
      for (const accept of ['*/*', BROWSER]) {
        const answer = await ask('HEAD', accept);
        expect([answer.status, answer.text]).toEqual([status, '']);
        expect(answer.header('WWW-Authenticate')).toBe(challenge);
      }
    });

    test('has no header that names the software of the gate', async () => {
      const { headers: all, text } = await ask('GET');
      expect(JSON.stringify([all, text])).not.toMatch(/protected|postern-|x-accel|redis|gone/i);
    });
  });
});

// The URL that a token for a folder is issued with, opened as it is.
test.each(modes)('denial: by %s a valid link to a folder gets its own page', async (mode) => {
  const site = await startSite({ mode });
  onTestFinished(site.stop);
  const { url, access_token: token } = await site.issue({ prefix: '/download/folder/' });
  expect(url).toBe(`/download/~${token}/folder/`);
  const open = (target: string) => site.ask('GET', target, { Accept: BROWSER });
  const folder = mode === 'X-Accel' ? 400 : 403;
  for (const [target, status, page] of [
    [url, folder, 'path_is_folder'],
    [`/download/folder/?token=${token}`, folder, 'path_is_folder'],
    [`/download/other/?token=${token}`, folder, 'path_is_folder'],
    [url.replace(token, UNKNOWN), 401, 'invalid_token'],
    [`/download/folder/?token=${UNKNOWN}`, 401, 'invalid_token'],
    ['/download/folder/', 401, 'missing_token'],
    ['/download/', 401, 'missing_token'],
    [`${url}a.txt/../`, folder, 'denied'],
  ] as const) {
    const answer = await open(target);
    expect([target, answer.status]).toEqual([target, status]);
    expect(answer.text).toContain(`<h1>${PAGE[page]}</h1>`);
  }
});
