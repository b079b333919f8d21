import { importJWK, SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { createClientOf } from '../../service/jwt/api-clients.ts';
import { fileKeys } from '../../service/jwt/keys.ts';
import { newJwk, publicHalf } from '../jwt/issuers.ts';
import { apiListener, createPostern, listening } from '../support/postern.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { pageOf, pagesLocation } from './pages.ts';

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
    const api = await listening(apiListener(postern.api));
    onTestFinished(() => api.stop());
    const site = await startSite({
      mode,
      store: postern.store,
      files: { 'users/ada/a.txt': 'hers', 'users/bob/a.txt': 'his' },
      locations: `${pagesLocation}
      location = /generate-media-token/ { proxy_pass http://127.0.0.1:${api.port}/tokens; }`,
    });
    onTestFinished(() => site.stop());
    const page = await browser.open(await pageOf(site, '<title>files</title>'));
    const token = await accessToken();

    const own = await page.evaluate(script(token, '/download/users/ada/a.txt'));
    expect(own).toEqual([201, 200, 'hers']);
    const other = await page.evaluate(script(token, '/download/users/bob/a.txt'));
    expect(other).toEqual([403, 'insufficient_scope']);
  },
);
