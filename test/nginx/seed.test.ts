import { join } from 'node:path';
import { importJWK, SignJWT } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { createClientOf } from '../../service/jwt/issuers.ts';
import { fileKeys } from '../../service/jwt/keys.ts';
import { startNginx } from '../harness/nginx.ts';
import { textOf } from '../harness/paths.ts';
import { writeFiles } from '../support/files.ts';
import { newJwk, publicHalf } from '../support/jwt/issuers.ts';
import {
  apiListener,
  createPostern,
  type IssuedToken,
  KEY,
  listening,
  mount,
} from '../support/postern.ts';

const prefix = '/download-logs-with-token/';
const jwk = await newJwk('EdDSA', 'login 1');
const login = {
  id: 'login',
  issuer: 'https://login.example/',
  audience: 'https://files.example',
  keys: await fileKeys(JSON.stringify({ keys: [publicHalf(jwk)] }), ['EdDSA']),
  paths: [{ prefix: `${prefix}{sub}/` }],
  targets: [],
  maxExpiresIn: 600,
  maxResumeFor: 600,
};

describe('examples/seed.conf', async () => {
  const postern = createPostern({
    mounts: [mount(prefix, '/download-logs/', { pathArgument: 'file' })],
    jwt: { clientOf: createClientOf([login], 5, Date.now) },
  });
  const gate = await listening(postern.gate);
  const api = await listening(apiListener(postern.api));
  const text = textOf('nginx/examples/seed.conf');
  const nginx = await startNginx({
    ports: 2,
    config: ({ ports, dir }) =>
      text
        .replace('listen 127.0.0.1:8080;', `listen 127.0.0.1:${ports[0]};`)
        .replace('listen 127.0.0.1:8081;', `listen 127.0.0.1:${ports[1]};`)
        .replace('server unix:/run/postern/gate.sock', `server 127.0.0.1:${gate.port}`)
        .replace('127.0.0.1:7301', `127.0.0.1:${api.port}`)
        .replaceAll('/srv/logs/', `${dir}/logs/`)
        .replaceAll('/var/log/nginx/', `${dir}/`),
  });
  const logs = { 'ada/app.log': 'hers\n', 'app.log': 'a line\n', 'other.log': 'another\n' };
  await writeFiles(join(nginx.dir, 'logs'), logs);
  afterAll(() => Promise.all([nginx.stop(), gate.stop(), api.stop()]));

  const get = (server: number, path: string, headers = {}) =>
    fetch(`http://127.0.0.1:${nginx.ports[server]}${path}`, { redirect: 'manual', headers });
  const issue = (server: number, headers: Record<string, string>, file = 'app.log') =>
    fetch(`http://127.0.0.1:${nginx.ports[server]}/generate-media-token/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ path: `${prefix}${file}` }),
    });
  const authorization = { Authorization: `Bearer ${KEY}` };

  describe.each([
    ['auth_request', 0],
    ['X-Accel', 1],
  ])('the server block by %s', (_, server) => {
    test('an anonymous caller gets no token', async () => {
      expect((await issue(server, {})).status).toBe(401);
      expect((await get(server, '/generate-media-token/')).status).toBe(403);
    });

    test('a token for two minutes opens its log through both server blocks, and no other', async () => {
      const response = await issue(server, authorization);
      expect(response.status).toBe(201);
      const { url, expires_in, access_token: token } = (await response.json()) as IssuedToken;
      expect(expires_in).toBe(120);
      for (const each of [0, 1]) {
        const opened = await get(each, url);
        expect([opened.status, await opened.text()]).toEqual([200, 'a line\n']);
        expect((await get(each, `${prefix}?file=app.log`)).status).toBe(401);
        expect((await get(each, `${prefix}?token=${token}&file=other.log`)).status).toBe(403);
        expect((await get(each, `/download-logs/app.log?token=${token}`)).status).toBe(404);
      }
    });

    test('a user gets a token for their own files with an access token, which is not accepted for files', async () => {
      const exp = Math.floor(Date.now() / 1000) + 300;
      const who = { iss: login.issuer, aud: login.audience, sub: 'ada', exp };
      const access = await new SignJWT(who)
        .setProtectedHeader({ alg: 'EdDSA', kid: 'login 1', typ: 'at+jwt' })
        .sign(await importJWK(jwk));
      const headers = { Authorization: `Bearer ${access}` };
      const response = await issue(server, headers, 'ada/app.log');
      expect(response.status).toBe(201);
      const { url } = (await response.json()) as IssuedToken;
      expect(await (await get(server, url)).text()).toBe('hers\n');
      expect((await issue(server, headers, 'app.log')).status).toBe(403);
      const bare = new URL(url, 'http://files.example');
      bare.searchParams.delete('token');
      expect((await get(server, `${bare.pathname}${bare.search}`, headers)).status).toBe(401);
    });

    test('a page of another origin gets no token: its preflight is denied', async () => {
      const preflight = await fetch(
        `http://127.0.0.1:${nginx.ports[server]}/generate-media-token/`,
        { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'POST' } },
      );
      expect(preflight.status).toBe(403);
      expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    });
  });
});
