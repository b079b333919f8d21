import { importJWK, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { createClientOf } from '../../service/jwt/api-clients.ts';
import { fileKeys } from '../../service/jwt/keys.ts';
import { revoke, waitForLines } from '../clients/state.ts';
import { newJwk, publicHalf } from '../jwt/issuers.ts';
import { forTest } from '../support/for-test.ts';
import { apiListener, createPostern, listening } from '../support/postern.ts';
import { siteForTest } from '../support/site.ts';
import { cases, openBrowser, pageOf, pagesLocation } from './browser.ts';

const OUTER = '/download/hls/';
const INNER = '/download/hls/sub/';

test.for(cases)(
  '%s: keeps the cookies of two nested folders by %s',
  async ([name, mode], context) => {
    const browser = await openBrowser(name, context);
    const files = { 'hls/a.txt': 'outer', 'hls/sub/b.txt': 'inner' };
    const site = await siteForTest({ mode, files, locations: pagesLocation });
    const read = async (uri: string) => {
      const page = await browser.open(site.nginx.url(uri));
      return page.evaluate('document.body.innerText');
    };
    const own = await browser.open(await pageOf(site, 'A page of the site'));
    /** The same by a script, which is faster. */
    const load = (uri: string) =>
      own.evaluate(`fetch(${JSON.stringify(uri)}).then((response) => response.text())`);
    const denied = expect.stringContaining('This link no longer works');
    /** The file that each token was used for, when the log has as many lines as expected. */
    const asked = async (id: string, count: number) => {
      const lines = await waitForLines(site, id, ({ length }) => length >= count);
      return lines.map(({ request, status }) => `${request.split(/[ ?]/)[1]} ${status}`);
    };
    /** Both cookies, with the first use of each. */
    const open = async () => {
      const outer = await site.issue({ prefix: OUTER, cookie: true });
      const inner = await site.issue({ prefix: INNER, cookie: true });
      expect(await load(`${OUTER}a.txt?token=${outer.access_token}`)).toBe('outer');
      expect(await load(`${INNER}b.txt?token=${inner.access_token}`)).toBe('inner');
      return { outer: outer.id, inner: inner.id };
    };
    const a = `${OUTER}a.txt`;
    const b = `${INNER}b.txt`;

    const first = await open();
    expect(await load(a)).toBe('outer');
    expect(await load(b)).toBe('inner');
    await revoke(site, first.inner);
    expect(await read(b)).toBe('inner');
    expect(await asked(first.outer, 3)).toEqual([`${a} 200`, `${a} 200`, `${b} 200`]);
    expect(await asked(first.inner, 2)).toEqual([`${b} 200`, `${b} 200`]);

    const second = await open();
    await revoke(site, second.outer);
    expect(await read(b)).toBe('inner');
    expect(await read(a)).toEqual(denied);
    expect(await asked(second.inner, 2)).toEqual([`${b} 200`, `${b} 200`]);
    expect(await asked(second.outer, 2)).toEqual([`${a} 200`, `${a} 401`]);
  },
);

const jwk = await newJwk('ES256', 'login 1');
const login = {
  id: 'login',
  issuer: 'https://login.example/',
  audience: 'postern',
  keys: await fileKeys(JSON.stringify({ keys: [publicHalf(jwk)] }), ['ES256']),
  paths: [{ prefix: '/download/users/{sub}/' }],
  targets: [],
  maxExpiresIn: 600,
  maxResumeFor: 600,
};

/** The access token that the page has from the login of the site. */
async function accessToken(): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: login.issuer, aud: 'postern', sub: 'ada', iat: now, exp: now + 300 };
  const header = { alg: 'ES256', kid: 'login 1', typ: 'at+jwt' };
  return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(jwk, 'ES256'));
}

/** A page's script that asks for a token, and for the file with it: two statuses and the text. */
const script = (token: string, path: string) => `(async () => {
  const asked = await fetch('/generate-media-token/', {
    method: 'POST',
    headers: { Authorization: 'Bearer ${token}', 'Content-Type': 'application/json' },
    body: JSON.stringify({ path: '${path}' }),
  });
  if (!asked.ok) return [asked.status, (await asked.json()).code];
  const { url } = await asked.json();
  const file = await fetch(url);
  return [asked.status, file.status, await file.text()];
})()`;

test.for(cases)(
  '%s: a page requests a token with the access token of its user by %s',
  async ([name, mode], context) => {
    const browser = await openBrowser(name, context);
    const jwt = { clientOf: createClientOf([login], 5, Date.now) };
    const postern = createPostern({ jwt });
    const api = await forTest(listening(apiListener(postern.api)));
    const site = await siteForTest({
      mode,
      store: postern.store,
      files: { 'users/ada/a.txt': 'hers', 'users/bob/a.txt': 'his' },
      locations: `${pagesLocation}
      location = /generate-media-token/ { proxy_pass http://127.0.0.1:${api.port}/tokens; }`,
    });
    const page = await browser.open(await pageOf(site, '<title>files</title>'));
    const token = await accessToken();

    const own = await page.evaluate(script(token, '/download/users/ada/a.txt'));
    expect(own).toEqual([201, 200, 'hers']);
    const other = await page.evaluate(script(token, '/download/users/bob/a.txt'));
    expect(other).toEqual([403, 'insufficient_scope']);
  },
);
