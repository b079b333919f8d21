import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Nginx, startNginx } from '../../dev/nginx.ts';
import { projectRoot } from '../../dev/paths.ts';
import {
  apiListener,
  createPostern,
  type IssuedToken,
  KEY,
  type Listening,
  listening,
  mount,
} from '../support/postern.ts';

describe('examples/seed.conf', () => {
  const postern = createPostern({
    mounts: [mount('/download-logs-with-token/', '/download-logs/', { pathArgument: 'file' })],
  });
  let gate: Listening;
  let api: Listening;
  let nginx: Nginx;
  beforeAll(async () => {
    gate = await listening(postern.gate);
    api = await listening(apiListener(postern.api));
    const text = await readFile(join(projectRoot, 'nginx', 'examples', 'seed.conf'), 'utf8');
    nginx = await startNginx({
      ports: 2,
      config: ({ ports, dir }) =>
        text
          .replace('listen 8080;', `listen 127.0.0.1:${ports[0]};`)
          .replace('listen 8081;', `listen 127.0.0.1:${ports[1]};`)
          .replace('127.0.0.1:7300', `127.0.0.1:${gate.port}`)
          .replace('127.0.0.1:7301', `127.0.0.1:${api.port}`)
          .replaceAll('/srv/logs/', `${dir}/logs/`),
    });
    await mkdir(join(nginx.dir, 'logs'));
    await writeFile(join(nginx.dir, 'logs', 'app.log'), 'a line\n');
    await writeFile(join(nginx.dir, 'logs', 'other.log'), 'another\n');
  });
  afterAll(() => Promise.all([nginx.stop(), gate.stop(), api.stop()]));

  const get = (server: number, path: string) =>
    fetch(`http://127.0.0.1:${nginx.ports[server]}${path}`, { redirect: 'manual' });
  const issue = (server: number, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${nginx.ports[server]}/generate-media-token/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify({ path: '/download-logs-with-token/app.log' }),
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
        const bare = '/download-logs-with-token/';
        expect((await get(each, `${bare}?file=app.log`)).status).toBe(401);
        expect((await get(each, `${bare}?token=${token}&file=other.log`)).status).toBe(403);
        expect((await get(each, `/download-logs/app.log?token=${token}`)).status).toBe(404);
      }
    });
  });
});
