import type { RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { docsBlock } from '../docs/blocks.ts';
import { startNginx } from '../harness/nginx.ts';
import { listening } from '../support/postern.ts';

// The recipe of docs/nginx-recipes.md, with a stub of oauth2-proxy.

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

test('docs/nginx-recipes.md: single sign-on: a stranger sees its page, and nginx sets the user, not the client', async () => {
  const [proxy, app] = await Promise.all([listening(oauth2Proxy), listening(application)]);
  onTestFinished(async () => void (await Promise.all([proxy.stop(), app.stop()])));
  const recipe = docsBlock('nginx-recipes.md', 'auth_request /sso')
    .replaceAll('127.0.0.1:4180', `127.0.0.1:${proxy.port}`)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${app.port}`);
  const nginx = await startNginx({
    config: ({ port }) => `include postern/http.conf;
      upstream postern { server 127.0.0.1:${app.port}; }
      ${recipe.replace('127.0.0.1:8080', `127.0.0.1:${port}`)}`,
  });
  onTestFinished(nginx.stop);
  const get = async (cookie: string) => {
    const headers = { cookie, 'X-Auth-Request-User': 'admin' };
    const answer = await fetch(nginx.url('/open?return=%2Fdownload%2Fa'), { headers });
    return [answer.status, await answer.text()];
  };

  expect(await get('')).toEqual([200, 'sign in for /open?return=%2Fdownload%2Fa']);
  expect(await get('session=ada')).toEqual([200, 'for ada']);
  expect(await get('session=')).toEqual([200, 'for nobody']);
});
