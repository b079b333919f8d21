import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { gateSnippet, modes, type Site, startSite } from '../support/site.ts';

const URLS = [
  '/protected/a.txt',
  '/protected/',
  '/protected',
  '//protected/a.txt',
  '///protected///a.txt',
  '/./protected/a.txt',
  '/x/../protected/a.txt',
  '/%70rotected/a.txt',
  '/protected%2fa.txt',
  '/PROTECTED/a.txt',
  '/Protected/a.txt',
  '/protected../files/a.txt',
  '/protected/a.jpg',
  '/protected/a.php',
  'http://files.example/protected/a.txt',
  '/.postern/auth-request',
  '/.postern/page',
  '/.postern/page/',
  '/.postern/page/failed',
  '/.postern/pages/en/denied.html',
  '//.postern/auth-request',
  '/.postern/',
  '/.postern',
  '/.POSTERN/auth-request',
  '/%2epostern/page',
  '/@postern_deliver',
  '@postern_deliver',
  '/auth-request',
  '/x-accel',
  '/livez',
  '/page',
];

describe.each(modes)('internal location: cannot be requested by %s', (mode) => {
  let site: Site;
  let token: string;
  beforeAll(async () => {
    const files = { 'a.txt': 'file a', 'a.jpg': 'file a', 'a.php': 'file a' };
    const locations = 'location ~* \\.(jpg|php)$ { root $files/..; }';
    site = await startSite({ mode, files, locations });
    token = (await site.issue({ prefix: '/download/' })).access_token;
  });
  afterAll(() => site.stop());

  test.each(URLS)('%s', async (url) => {
    for (const method of ['GET', 'HEAD', 'POST']) {
      for (const target of [url, `${url}?token=${token}`]) {
        const answer = await site.ask(method, target, {
          Authorization: `Bearer ${token}`,
          'Content-Length': '0',
        });
        expect(answer.status).toBe(url.startsWith('@') ? 400 : 404);
        expect(answer.text).not.toContain('file a');
        expect(answer.header('location')).toBeUndefined();
      }
    }
  });

  // Without a token there is no rate, and nginx would log an error for each request.
  test('nginx logs no error of the snippets', async () => {
    await site.ask('GET', '/protected/a.txt');
    expect(await site.nginx.errorLog()).not.toContain('invalid size');
  });
});

test.each(modes)(
  'internal: above auth-request.conf, it logs no warning, which would contain the token, by %s',
  async (mode) => {
    const site = await startSite({
      mode,
      files: { 'a.txt': 'file a' },
      server: 'location ^~ /protected/ { include postern/internal.conf; alias $files/; }',
      only: `location ^~ /download/ { ${gateSnippet(mode)} }`,
    });
    onTestFinished(site.stop);
    const { url } = await site.issue({ path: '/download/a.txt' });
    expect((await site.ask('GET', url)).text).toBe('file a');
    expect(await site.nginx.errorLog()).not.toContain('uninitialized');
  },
);
