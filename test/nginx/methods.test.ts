import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, type Site, startSite } from '../support/site.ts';

const BODIES = { none: '', small: 'a=1', '1 KB': 'x'.repeat(1024), '100 KB': 'x'.repeat(100_000) };
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'MADEUP'];

describe.each(modes)('methods: other than GET and HEAD by %s', (mode) => {
  let site: Site;
  let url: string;
  beforeAll(async () => {
    site = await startSite({ mode, files: { 'a.txt': 'hello' } });
    url = (await site.issue({ path: '/download/a.txt' })).url;
  });
  afterAll(() => site.stop());

  // body.test.ts tests bodies above 1k by X-Accel.
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

  test('a chunked body is denied', async () => {
    const connection = await openRaw(site.nginx.port);
    const chunked = { 'Transfer-Encoding': 'chunked' };
    const body = '3\r\nabc\r\n0\r\n\r\n';
    const denied = await connection.send(requestBytes('POST', url, chunked, body));
    const after = await connection.send(requestBytes('GET', url));
    connection.close();
    expect([denied.status, after.status]).toEqual([403, 200]);
  });

  test('a GET with a body is allowed', async () => {
    const answer = await site.ask('GET', url, { 'Content-Length': '3' }, 'a=1');
    expect([answer.status, answer.text]).toEqual([200, 'hello']);
  });
});
