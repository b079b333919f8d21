import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foreigner } from '../jwt/issuers.ts';
import { createSigned } from '../jwt/signed.ts';
import { apiKey, issueToken, KEY, mount } from '../support/postern.ts';
import { gateSnippet, modes, type Site, startSite } from '../support/site.ts';

// Two sites with the same prefixes, each with its own files, and a client with more rights on one of them.

const UNLIMITED = 'a-key-without-limits';
const paths = [
  { site: 'a.example', prefix: '/download/pub/' },
  { site: 'b.example', prefix: '/download/' },
];

describe.each(modes)('target: several sites by %s', (mode) => {
  let site: Site;
  let sign: Awaited<ReturnType<typeof foreigner>>['sign'];
  beforeAll(async () => {
    const server = (name: string, listen = '') => `
      server {
        listen 127.0.0.1:$port ${listen};
        server_name ${name}.example;
        include postern/auth-request.conf;
        ${locations(name)}
      }`;
    const locations = (name: string) => `
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected/ { include postern/internal.conf; alias $files/${name}/; }`;
    const mounts = [
      mount('a.example:/download/', '/protected/'),
      mount('b.example:/download/', '/protected/'),
    ];
    const app = await foreigner('app', { paths });
    sign = app.sign;
    const { jwt, clock } = await createSigned({ issuers: [app.issuer], files: app.file, mounts });
    site = await startSite({
      mode,
      mounts,
      apiKeys: [apiKey(KEY, { paths }), apiKey(UNLIMITED, { id: 'unlimited' })],
      jwt,
      now: () => clock.now,
      files: { 'a/secret.txt': 'secret of a', 'a/pub/x': 'x of a', 'b/secret.txt': 'secret of b' },
      serverName: 'a.example',
      only: locations('a'),
      http: server('b'),
    });
  });
  afterAll(() => site.stop());

  const fetched = async (url: string, Host: string) => {
    const { status, text } = await site.ask('GET', url, { Host });
    return status === 200 ? text : status;
  };

  test.each([
    ['a file', { path: '/download/pub/x', target: '/protected/secret.txt' }],
    ['a folder', { prefix: '/download/pub/', target: '/protected/' }],
  ])('a right on site b gives no target on site a: %s', async (_, body) => {
    const issuing = site.issue({ ...body, site: 'a.example' });
    const url = await issuing.then(
      (issued) => issued.url,
      (error: Error) => error.message,
    );
    expect(url).toContain('insufficient_scope');
  });

  test('an external JWT on site a cannot have a target of site b', async () => {
    const claims = { path: '/download/pub/x', site: 'a.example' };
    const own = await sign({ ...claims, target: '/protected/pub/x' });
    expect(await fetched(`/download/pub/x?token=${own}`, 'a.example')).toBe('x of a');
    const token = await sign({ ...claims, target: '/protected/secret.txt' });
    expect(await fetched(`/download/pub/x?token=${token}`, 'a.example')).toBe(401);
  });

  test('is allowed only on the site of the right', async () => {
    const target = '/protected/secret.txt';
    const { url } = await site.issue({ path: '/download/y', site: 'b.example', target });
    expect(await fetched(url, 'b.example')).toBe('secret of b');
    expect(await fetched(url, 'a.example')).toBe(403);
  });

  test('a client without limits may name it', async () => {
    const body = { path: '/download/pub/x', site: 'a.example', target: '/protected/secret.txt' };
    const { url } = await issueToken(site.postern.api, body, UNLIMITED);
    expect(await fetched(url, 'a.example')).toBe('secret of a');
  });
});
