import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { foreigner } from '../jwt/issuers.ts';
import { createSigned } from '../jwt/signed.ts';
import { apiKey, issueToken, KEY, mount } from '../support/postern.ts';
import { gateSnippet, modes, type Site, startSite } from '../support/site.ts';

// Two server blocks on one port, with the same public prefix and different files. A third block has no gate.

describe.each(modes)('sites: several sites by %s', (mode) => {
  let site: Site;
  const tokens: Record<string, string> = {};
  beforeAll(async () => {
    const locations = (name: string) => `
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /protected-${name}/ { include postern/internal.conf; alias $files/${name}/; }`;
    const server = (name: string, listen = '') => `
      server {
        listen 127.0.0.1:$port ${listen};
        server_name ${name}.example;
        include postern/auth-request.conf;
        ${locations(name)}
      }`;
    site = await startSite({
      mode,
      mounts: [
        mount('a.example:/download/', '/protected-a/'),
        mount('b.example:/download/', '/protected-b/'),
      ],
      files: { 'a/x.txt': 'of a', 'b/x.txt': 'of b', 'c/x.txt': 'of c' },
      serverName: 'A.example www.a.example',
      only: locations('a'),
      http: server('b', 'default_server') + server('c'),
    });
    for (const name of ['a', 'b']) {
      const issued = await site.issue({ path: '/download/x.txt', site: `${name}.example` });
      tokens[name] = issued.access_token;
    }
  });
  afterAll(() => site.stop());

  const cases: ReadonlyArray<[host: string, token: string, status: number, text?: string]> = [
    ['a.example', 'a', 200, 'of a'],
    ['b.example', 'b', 200, 'of b'],
    ['a.example', 'b', 403],
    ['b.example', 'a', 403],
    ['c.example', 'a', 403],
    ['c.example', 'b', 403],
    ['A.EXAMPLE', 'a', 200, 'of a'],
    ['a.example.', 'a', 200, 'of a'],
    ['a.example:81', 'a', 200, 'of a'],
    ['www.a.example', 'a', 200, 'of a'],
    // Any other name selects the default server.
    ['other.example', 'b', 200, 'of b'],
    ['other.example', 'a', 403],
    ['a.example.evil', 'a', 403],
  ];
  test.each(cases)('Host %s with the token of %s: %i', async (Host, name, status, text) => {
    const answer = await site.ask('GET', `/download/x.txt?token=${tokens[name]}`, { Host });
    expect(answer.status).toBe(status);
    if (text !== undefined) expect(answer.text).toBe(text);
    else expect(answer.text).not.toMatch(/^of /);
  });

  test('only Host selects the site', async () => {
    const lies = ['X-Forwarded-Host', 'Forwarded', 'X-Host', 'Postern-Site', 'X-Original-Host'];
    const headers = Object.fromEntries(lies.map((name) => [name, 'a.example']));
    const target = `/download/x.txt?token=${tokens.a}`;
    const answer = await site.ask('GET', target, { ...headers, Host: 'b.example' });
    expect(answer.status).toBe(403);
  });

  test('the host of an absolute URI has priority over Host, for nginx and the gate', async () => {
    const ask = (token = '') =>
      site.ask('GET', `http://a.example/download/x.txt?token=${token}`, { Host: 'b.example' });
    expect((await ask(tokens.a)).text).toBe('of a');
    expect((await ask(tokens.b)).status).toBe(403);
  });

  test('issue requires site if two sites have the prefix', async () => {
    await expect(site.issue({ path: '/download/x.txt' })).rejects.toThrow(/site/);
  });
});

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
