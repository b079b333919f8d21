import type { RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { type Config, startNginx } from '../harness/nginx.ts';
import { textOf } from '../harness/paths.ts';
import { forTest } from '../support/for-test.ts';
import { BROWSER } from '../support/pages.ts';
import { listening, mount } from '../support/postern.ts';
import { failWhile, modes, siteForTest, useSite } from '../support/site.ts';
import { corsFor } from '../support/snippet.ts';

const LOGIN = 'https://login.example/in?back=https%3A%2F%2Ffiles.example';
const HTTP = loginFor(LOGIN);

function loginFor(page: string): string {
  return `map "" $postern_login_page { default "${page}$postern_return"; }`;
}

const STALE = newToken();

describe('login: a browser without a valid token', () => {
  let down = false;
  const site = useSite(
    {
      mode: 'auth_request',
      files: { 'a.txt': 'file a' },
      mounts: [
        mount('/download/', '/protected/'),
        mount('/download/logs/', '/protected/', { pathArgument: 'file' }),
      ],
      http: `${HTTP}${corsFor('https://app.example')}`,
      // Error pages of the site do not change Postern's denials.
      server: `
        include postern/cors-headers.conf;
        add_header Strict-Transport-Security max-age=9 always;
        recursive_error_pages on; error_page 302 401 =200 /index.html;`,
    },
    () => failWhile(site, () => down),
  );

  const at = (path: string) => LOGIN + encodeURIComponent(path);

  test.each([
    ['/download/a.txt', '/download/a.txt'],
    [`/download/a.txt?x=1&token=${STALE}&y=%20`, '/download/a.txt?x=1&y=%20'],
    [`/download/~${STALE}/sub/a%20b.txt`, '/download/sub/a%20b.txt'],
    [`/download/logs/?file=a%2Fb&token=${STALE}`, '/download/logs/?file=a%2Fb'],
    ['http://evil.example/download/a.txt', '/download/a.txt'],
    ['/download/a%0d%0aLocation:%20x', undefined],
    ['/download/a?"\\&x=$uri', '/download/a?"\\&x=$uri'],
  ])('%s returns to %s', async (target, back) => {
    const answer = await site.ask('GET', target, BROWSER);
    if (back === undefined) return void expect(answer.status).toBe(403);
    expect(answer.status).toBe(302);
    const locations = answer.headers.filter(([name]) => name === 'location');
    expect(locations).toEqual([['location', at(back)]]);
    expect(answer.header('cache-control')).toBe('no-store');
    expect(answer.text + JSON.stringify(answer.headers)).not.toContain(STALE);
  });

  test.each([
    ['an API', {}],
    ['a client that accepts JSON', { Accept: 'application/json' }],
    ['a client that accepts JSON and pages', { Accept: 'application/json, text/html' }],
    ['a picture in a page', { Accept: 'image/avif,image/webp,*/*;q=0.8' }],
    ['curl', { Accept: '*/*' }],
    ['one that names pages after 256 characters', { Accept: `${'a/b,'.repeat(66)}text/html` }],
  ])('%s gets the 401', async (_, headers) => {
    const answer = await site.ask('GET', '/download/a.txt', headers);
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([401, 'missing_token']);
    expect(answer.header('location')).toBeUndefined();
    expect(answer.header('www-authenticate')).toBe('Bearer realm="postern"');
    expect(answer.header('strict-transport-security')).toBe('max-age=9');
  });

  test('other methods get 401', async () => {
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE']) {
      const answer = await site.ask(method, '/download/a.txt', BROWSER);
      expect(answer.status, method).toBe(401);
      expect(answer.header('location')).toBeUndefined();
    }
  });

  test('no redirect if a login would not help', async () => {
    const { url } = await site.issue({ path: '/download/a.txt' });
    const other = url.replace('a.txt', 'b.txt');
    for (const [target, status] of [
      [other, 403],
      ['/download/a%5c', 403],
      ['//evil.example/', 404],
      [`/download/${'a'.repeat(2030)}?${'b'.repeat(100)}`, 401],
      [`/download/sub/~${STALE}/a`, 401],
    ] as const) {
      const answer = await site.ask('GET', target, BROWSER);
      expect(answer.status, target).toBe(status);
      expect(answer.header('location')).toBeUndefined();
    }
    down = true;
    expect((await site.ask('GET', url, BROWSER)).status).toBe(503);
    down = false;
  });
});

test('login: Postern-Return cannot redirect to another host', async () => {
  let back = '';
  const site = await siteForTest({
    mode: 'auth_request',
    http: loginFor('/login/'),
    gate: (_, response) =>
      response.writeHead(401, { 'Postern-Reason': 'missing_token', 'Postern-Return': back }).end(),
  });
  const locationOf = async (value: string) => {
    back = value;
    const answer = await site.ask('GET', '/download/a', BROWSER);
    return answer.header('location');
  };
  expect(await locationOf('%2Fdownload%2Fa')).toBe('/login/%2Fdownload%2Fa');
  for (const value of [
    ...['', 'https://evil.example', '//evil.example', '%2F%2Fevil.example', '%2F%5Cevil'],
    ...['/a', '%2Fa b', '%2Fa"', '%2Fa&x=y', '%2Fa#'],
  ]) {
    expect(await locationOf(value), value).toBeUndefined();
  }
});

test.each(modes)('login: by %s none without an address, and with X-Accel never', async (mode) => {
  const site = await siteForTest({ mode, http: mode === 'X-Accel' ? HTTP : '' });
  const answer = await site.ask('GET', '/download/a.txt', BROWSER);
  expect([answer.status, answer.header('location')]).toEqual([401, undefined]);
  expect(JSON.stringify(answer.headers)).not.toMatch(/postern-return/i);
});

// A stub stands in for oauth2-proxy.

const USERS: Readonly<Record<string, string>> = { 'session=ada': 'ada', 'session=': '' };

const oauth2Proxy: RequestListener = (request, response) => {
  const { cookie = '', 'x-auth-request-redirect': back } = request.headers;
  if (request.url !== '/oauth2/auth') return response.end(`sign in for ${back}`);
  const user = USERS[cookie];
  if (user === undefined) return response.writeHead(401).end();
  return response.writeHead(202, user === '' ? {} : { 'X-Auth-Request-User': user }).end();
};

const application: RequestListener = (request, response) =>
  response.end(`for ${request.headers['x-auth-request-user'] ?? 'nobody'}`);

test('nginx/examples/sso.conf: a stranger sees its page, and nginx sets the user, not the client', async () => {
  const proxy = await forTest(listening(oauth2Proxy));
  const app = await forTest(listening(application));
  const example = textOf('nginx/examples/sso.conf');
  const site = example
    .replaceAll('unix:/run/postern/gate.sock', `127.0.0.1:${app.port}`)
    .replaceAll('127.0.0.1:4180', `127.0.0.1:${proxy.port}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${app.port}`);
  const config: Config = ({ port, dir }) =>
    site.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replaceAll('/var/log/nginx', dir);
  const nginx = await forTest(startNginx({ config }));
  const get = async (cookie: string) => {
    const headers = { cookie, 'X-Auth-Request-User': 'admin' };
    const answer = await fetch(nginx.url('/open?return=%2Fdownload%2Fa'), { headers });
    return [answer.status, await answer.text()];
  };

  expect(await get('')).toEqual([200, 'sign in for /open?return=%2Fdownload%2Fa']);
  expect(await get('session=ada')).toEqual([200, 'for ada']);
  expect(await get('session=')).toEqual([200, 'for nobody']);
});
