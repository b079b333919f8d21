import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BROWSER } from '../support/pages.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { countAsked, modes, type Site, siteForTest, useSite } from '../support/site.ts';

const BODIES = { none: '', small: 'a=1', '1 KB': 'x'.repeat(1024), '100 KB': 'x'.repeat(100_000) };
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'MADEUP'];

describe.each(modes)('methods: other than GET and HEAD by %s', (mode) => {
  let url: string;
  const site = useSite({ mode, files: { 'a.txt': 'hello' } }, async () => {
    url = (await site.issue({ path: '/download/a.txt' })).url;
  });

  // Bodies above 1k by X-Accel are below.
  const bodies = Object.entries(BODIES).filter(([, { length }]) => {
    return mode === 'auth_request' || length <= 1024;
  });
  describe.each(bodies)('with a body: %s', (_, body) => {
    test.each(METHODS)('%s is denied, and the connection stays usable', async (method) => {
      const connection = await openRaw(site.nginx.port);
      const length = { 'Content-Length': String(body.length) };
      const send = (target: string) =>
        connection.send(requestBytes(method, target, length, body), method);

      const withToken = await send(url);
      const without = await send('/download/a.txt');
      const after = await connection.send(requestBytes('GET', url));
      connection.close();

      expect([withToken.status, without.status]).toEqual([403, 401]);
      expect(JSON.parse(withToken.text)).toMatchObject({ code: 'insufficient_scope' });
      expect([after.status, after.text]).toEqual([200, 'hello']);
    });
  });

  test('a GET with a body is allowed', async () => {
    const answer = await site.ask('GET', url, { 'Content-Length': '3' }, 'a=1');
    expect([answer.status, answer.text]).toEqual([200, 'hello']);
  });
});

// A download has no body. nginx would write one of any length to its disk before it asks the gate by X-Accel,
// and before it asks a storage.

const PIECE = 'x'.repeat(100_000);
const TOO_LARGE = { status: 413, code: 'content_too_large' };

const KINDS = {
  'a body of 300 MB, of which 100 KB come': [{ 'Content-Length': '300000000' }, PIECE],
  'a body in chunks, of which one comes': [
    { 'Transfer-Encoding': 'chunked' },
    `${PIECE.length.toString(16)}\r\n${PIECE}\r\n`,
  ],
} as const;
const kinds = Object.keys(KINDS) as Array<keyof typeof KINDS>;

/** The request bodies that nginx has on its disk. */
async function spooled({ nginx }: Site): Promise<string[]> {
  const folder = join(nginx.dir, 'temp-client_body');
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe.each(modes)('request bodies by %s', (mode) => {
  /** A site for uploads of any length, with its own error page. */
  const options = {
    mode,
    files: { 'a.txt': 'file a', '../www/sorry.html': 'sorry' },
    server:
      'listen 127.0.0.1:$front http2; client_max_body_size 0; root $files/../www; error_page 413 401 /sorry.html;',
  };
  const site = useSite(options);
  const store = useSite({
    ...options,
    internal: `include postern/internal-proxy.conf; proxy_pass http://127.0.0.1:$port/storage/;`,
    locations: 'location ^~ /storage/ { alias $files/; }',
  });

  /** The answer, while the connection is open and nginx has what it stored. */
  async function send(
    to: Site,
    method: string,
    target: string,
    kind: keyof typeof KINDS,
    more: Record<string, string> = {},
  ) {
    const connection = await openRaw(to.nginx.port);
    onTestFinished(connection.close);
    const [headers, body] = KINDS[kind];
    const answer = await connection.send(
      requestBytes(method, target, { ...headers, ...more }, body),
    );
    expect(await spooled(to)).toEqual([]);
    return answer;
  }

  describe.each(kinds)('%s, of a browser without a token', (kind) => {
    const expected = mode === 'X-Accel' ? TOO_LARGE : { status: 401, code: 'missing_token' };

    test.each(['GET', 'POST', 'PUT'])('by %s gets no page, and is not stored', async (method) => {
      const answer = await send(site, method, '/download/a.txt?token=s3cret', kind, BROWSER);
      expect(JSON.parse(answer.text)).toMatchObject(expected);
      expect(answer.status).toBe(expected.status);
      // By X-Accel, nginx itself rejects the body.
      if (mode === 'auth_request') expect(await site.nginx.errorLog()).not.toContain('s3cret');
    });

    test.each(['GET', 'POST'])('by %s with HTTP/2 is not stored', async (method) => {
      const session = connect(`http://127.0.0.1:${site.nginx.ports[1]}`);
      onTestFinished(() => session.destroy());
      const length = 'Content-Length' in KINDS[kind][0] && { 'content-length': '300000000' };
      const line = { ':method': method, ':path': '/download/a.txt', ':authority': 'files.example' };
      const stream = session.request(
        { ...line, ...length, accept: BROWSER.Accept },
        { endStream: false },
      );
      stream.on('error', () => {}).write(PIECE);
      const [answer] = await once(stream, 'response');
      // A POST of unknown length may confirm a link, until it is too long.
      const mayConfirm = method === 'POST' && !length;
      expect(answer[':status']).toBe(mayConfirm ? 413 : expected.status);
      expect(await spooled(site)).toEqual([]);
    });
  });

  test('a browser gets a page with a small form', async () => {
    const form = 'pin=1234';
    const headers = { ...BROWSER, 'Content-Length': `${form.length}` };
    const answer = await site.ask('POST', '/download/a.txt', headers, form);
    expect([answer.status, answer.header('content-type')]).toEqual([
      401,
      'text/html; charset=utf-8',
    ]);
  });

  test.each(kinds)('%s confirms nothing, and is not stored', async (kind) => {
    const asked = countAsked(site);
    const { id, url } = await site.issue({ path: '/download/a.txt', confirm: true });
    const answer = await send(site, 'POST', url, kind);
    expect(answer.header('content-type')).toBe('application/problem+json');
    if (mode === 'X-Accel') {
      expect([answer.status, JSON.parse(answer.text)]).toMatchObject([413, TOO_LARGE]);
      await expect.poll(site.log).toContain('"code":"content_too_large"');
    } else expect(answer.status).toBe(403);
    expect(asked()).toBe(mode === 'X-Accel' ? 0 : 1);
    expect((await site.postern.store.requesters(id)).total).toBe(0);
  });

  test.runIf(mode === 'auth_request').each(kinds)('%s with a token is not stored', async (kind) => {
    const { url } = await site.issue({ path: '/download/a.txt' });
    const answer = await send(site, 'GET', url, kind);
    expect([answer.status, answer.text]).toEqual([200, 'file a']);
  });

  test.each(kinds)('%s with a token for a file in an object store gets 413', async (kind) => {
    const request = { path: '/download/a.txt', max_uses: 1, bind: 'cookie' };
    const { url, id } = await store.issue(request);
    const answer = await send(store, 'GET', url, kind);
    expect(JSON.parse(answer.text)).toMatchObject(TOO_LARGE);
    // If the use is counted, the client has the cookie.
    const { total: uses } = await store.postern.store.requesters(id);
    expect([uses, answer.header('set-cookie') !== undefined]).toEqual(
      mode === 'X-Accel' ? [0, false] : [1, true],
    );
    const Cookie = answer.header('set-cookie')?.split(';')[0] ?? '';
    expect((await store.ask('GET', url, { Cookie })).text).toBe('file a');
  });
});

test('request body: above the limit of the site it gets the same 413 by auth_request', async () => {
  const started = await siteForTest({
    mode: 'auth_request',
    files: { '../www/sorry.html': 'sorry' },
    server: 'client_max_body_size 1m; root $files/../www; error_page 413 /sorry.html;',
  });
  const [headers, body] = KINDS['a body of 300 MB, of which 100 KB come'];
  const answer = await started.ask('POST', '/download/a.txt', headers, body);
  expect(JSON.parse(answer.text)).toMatchObject(TOO_LARGE);
  await expect.poll(started.log).toContain('"code":"content_too_large"');
});
