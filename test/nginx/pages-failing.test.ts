import type { RequestListener } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MAX_PAGES } from '../../service/pages/pages.ts';
import {
  BROWSER,
  decisions,
  expectPage,
  expectSentence,
  SENTENCE,
  withPages,
} from '../support/pages.ts';
import { modes, siteForTest, startSite } from '../support/site.ts';

const fakeGate = withPages(decisions);

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
      const site = await siteForTest({
        mode,
        files: { a: 'file a' },
        gate: (request, response) =>
          (request.url === '/page' ? onPage : decisions)(request, response),
      });
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
    const site = await siteForTest({ mode, gate: fakeGate, server: 'client_max_body_size 1m;' });
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

test('pages: of 2,000 denials in a second a limited number are pages, and all keep their status', async () => {
  const site = await siteForTest({ mode: 'auth_request', gate: withPages(decisions, () => 0) });
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
