import { describe, expect, test } from 'vitest';
import { fieldsOf } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';
import { gateSnippet, modes, useSite } from '../support/site.ts';

// Two server blocks on one port, with the same public prefix and different files. A third block has no gate.

describe.each(modes)('sites: several sites by %s', (mode) => {
  const tokens: Record<string, string> = {};
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
  const site = useSite(
    {
      mode,
      mounts: ['a', 'b'].map((one) => mount(`${one}.example:/download/`, `/protected-${one}/`)),
      files: { 'a/x.txt': 'of a', 'b/x.txt': 'of b', 'c/x.txt': 'of c' },
      serverName: 'A.example www.a.example',
      only: locations('a'),
      http: server('b', 'default_server') + server('c'),
    },
    async () => {
      for (const name of ['a', 'b']) {
        const issued = await site.issue({ path: '/download/x.txt', site: `${name}.example` });
        tokens[name] = issued.access_token;
      }
    },
  );

  test.each(fieldsOf('site-hosts.txt'))('Host %s with the token of %s: %s', async (...fields) => {
    const [Host = '', name = '', status, text] = fields;
    const answer = await site.ask('GET', `/download/x.txt?token=${tokens[name]}`, { Host });
    expect(answer.status).toBe(Number(status));
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
});

const passArguments = ['start', 'end'];

describe.each(modes)('arguments: by %s', (mode) => {
  const site = useSite({
    mode,
    mounts: [
      mount('/download/', '/protected/', { passArguments }),
      mount('/by-argument/', '/protected/', { pathArgument: 'file', passArguments }),
    ],
    files: { 'a.mp4': 'file a', 'b c+d.mp4': 'file b', 'sub/a.mp4': 'sub' },
    internal: `
      include postern/internal.conf; alias $files/;
      add_header Args "[$args]" always;`,
    locations: `location ^~ /by-argument/ { ${gateSnippet(mode)} }`,
  });

  async function args(
    target: string,
  ): Promise<[status: number, text: string, args?: string | undefined]> {
    const { status, text, header } = await site.ask('GET', target);
    return status === 200 ? [status, text, header('Args')] : [status, ''];
  }

  test('only the arguments of the mount are passed on, not the token', async () => {
    const { url } = await site.issue({ path: '/download/a.mp4' });
    expect(await args(url)).toEqual([200, 'file a', '[]']);
    const both = await args(`${url}&start=1.5&x=1&end=20`);
    expect(both).toEqual([200, 'file a', '[start=1.5&end=20]']);
    // Their values cannot become another argument.
    const hostile = await args(`${url}&start=1%26token=x%3fy%23`);
    expect(hostile).toEqual([200, 'file a', '[start=1%26token%3Dx%3Fy%23]']);
    const folder = await site.issue({ prefix: '/download/' });
    expect(await args(`${folder.url}a.mp4?start=7`)).toEqual([200, 'file a', '[start=7]']);
  });

  test('a path in an argument', async () => {
    const { url, access_token: token } = await site.issue({ path: '/by-argument/b c+d.mp4' });
    expect(await args(url)).toEqual([200, 'file b', '[]']);
    expect(await args(`${url}&start=3`)).toEqual([200, 'file b', '[start=3]']);
    const form = 'file=b+c%2bd.mp4';
    const spelt = await args(`/by-argument/?${form}&token=${token}&end=9`);
    expect(spelt).toEqual([200, 'file b', '[end=9]']);
  });
});

describe.each(modes)('max_age: by %s', (mode) => {
  const site = useSite({
    mode,
    mounts: [
      mount('/download/', '/protected/', { maxAge: 60 }),
      mount('/other/', '/protected-other/'),
    ],
    decisionTtl: 10,
    files: { 'a.txt': 'hello', 'sub/b.txt': 'b' },
    locations: `
      location ^~ /other/ { ${gateSnippet(mode)} }
      location ^~ /protected-other/ { include postern/internal.conf; alias $files/; }`,
  });
  const never = 'private, no-store';

  async function kept(target: string, headers: Record<string, string> = {}) {
    const { status, header } = await site.ask('GET', target, headers);
    return [status, header('Cache-Control')];
  }

  test('a browser may keep a file only if its URL has the token', async () => {
    const { url, access_token: token } = await site.issue({ path: '/download/a.txt' });
    const { access_token: folder } = await site.issue({ prefix: '/download/' });
    expect(await kept(url)).toEqual([200, 'private, max-age=60']);
    expect(await kept(url, { Range: 'bytes=0-1' })).toEqual([206, 'private, max-age=60']);
    expect(await kept(`/download/~${folder}/sub/b.txt`)).toEqual([200, 'private, max-age=60']);
    const bearer = { Authorization: `Bearer ${token}` };
    for (const headers of [bearer, { Cookie: `postern=${token}` }])
      expect(await kept('/download/a.txt', headers)).toEqual([200, never]);
    const other = await site.issue({ path: '/other/a.txt' });
    expect(await kept(other.url)).toEqual([200, never]);
  });

  test('it keeps nothing that is not the file', async () => {
    const missing = await site.issue({ path: '/download/none.txt' });
    expect(await kept(missing.url)).toEqual([404, 'no-store']);
    const { url } = await site.issue({ path: '/download/a.txt' });
    for (const [name, value, status] of [
      ['Range', 'bytes=99-', 416],
      ['If-Match', '"another"', 412],
    ] as const) {
      const answer = await site.ask('GET', url, { [name]: value });
      const lines = answer.headers.filter(([one]) => one === 'cache-control');
      // Before a 416, nginx has already added the line of a 200. no-store has priority.
      const last = lines.at(-1)?.[1] ?? 'none';
      expect([answer.status, last]).toEqual([status, status === 416 ? 'no-store' : 'none']);
    }
  });
});
