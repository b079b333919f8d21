import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRaw, requestBytes } from '../support/raw.ts';
import { countAsked, modes, type Site, type SiteOptions, siteForTest } from '../support/site.ts';

// A download has no body. nginx would write one of any length to its disk before it asks the gate by X-Accel,
// and before it asks a storage.

const PIECE = 'x'.repeat(100_000);
const TOO_LARGE = { status: 413, code: 'content_too_large' };

const KINDS = {
  'of 300 MB, of which 100 KB come': [{ 'Content-Length': '300000000' }, PIECE],
  'in chunks, of which one comes': [
    { 'Transfer-Encoding': 'chunked' },
    `${PIECE.length.toString(16)}\r\n${PIECE}\r\n`,
  ],
} as const;

/** A site for uploads of any length, with its own error page. */
const site = (options: Partial<SiteOptions> & Pick<SiteOptions, 'mode'>): Promise<Site> =>
  siteForTest({
    files: { 'a.txt': 'file a', '../www/sorry.html': 'sorry' },
    server: 'client_max_body_size 0; root $files/../www; error_page 413 401 /sorry.html;',
    ...options,
  });

/** The request bodies that nginx has on its disk. */
async function spooled({ nginx }: Site): Promise<string[]> {
  const folder = join(nginx.dir, 'temp-client_body');
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe.each(Object.entries(KINDS))('request body %s', (_, [headers, body]) => {
  /** The answer, while the connection is open and nginx has what it stored. */
  async function answerOf({ nginx }: Site, method: string, target: string) {
    const connection = await openRaw(nginx.port);
    onTestFinished(connection.close);
    return connection.send(requestBytes(method, target, headers, body));
  }

  test('by X-Accel gets 413, is not stored, and the gate is not asked', async () => {
    const started = await site({ mode: 'X-Accel' });
    const asked = countAsked(started);
    const answer = await answerOf(started, 'POST', '/download/a.txt');
    expect(JSON.parse(answer.text)).toMatchObject(TOO_LARGE);
    expect(answer.status).toBe(413);
    expect(answer.header('content-type')).toBe('application/problem+json');
    expect(await spooled(started)).toEqual([]);
    expect(asked()).toBe(0);
    await expect.poll(started.log).toContain('"code":"content_too_large"');
  });

  test('by auth_request is denied before it is read, and is not stored', async () => {
    const started = await site({ mode: 'auth_request' });
    const answer = await answerOf(started, 'POST', '/download/a.txt');
    expect(JSON.parse(answer.text)).toMatchObject({ status: 401, code: 'missing_token' });
    expect(await spooled(started)).toEqual([]);
  });

  test('by auth_request with a token is not stored', async () => {
    const started = await site({ mode: 'auth_request' });
    const { url } = await started.issue({ path: '/download/a.txt' });
    const answer = await answerOf(started, 'GET', url);
    expect([answer.status, answer.text]).toEqual([200, 'file a']);
    expect(await spooled(started)).toEqual([]);
  });

  test.each(modes)('with a token for a file in an object store gets 413 by %s', async (mode) => {
    const started = await site({
      mode,
      internal: `include postern/internal-proxy.conf; proxy_pass http://127.0.0.1:$port/storage/;`,
      locations: 'location ^~ /storage/ { alias $files/; }',
    });
    const request = { path: '/download/a.txt', max_uses: 1, bind: 'cookie' };
    const { url, id } = await started.issue(request);
    const answer = await answerOf(started, 'GET', url);
    expect(JSON.parse(answer.text)).toMatchObject(TOO_LARGE);
    expect(await spooled(started)).toEqual([]);
    // If the use is counted, the client has the cookie.
    const { length: uses } = await started.postern.store.requesters(id);
    expect([uses, answer.header('set-cookie') !== undefined]).toEqual(
      mode === 'X-Accel' ? [0, false] : [1, true],
    );
    const Cookie = answer.header('set-cookie')?.split(';')[0] ?? '';
    expect((await started.ask('GET', url, { Cookie })).text).toBe('file a');
  });
});

test('request body: above the limit of the site it gets the same 413 by auth_request', async () => {
  const started = await siteForTest({
    mode: 'auth_request',
    files: { '../www/sorry.html': 'sorry' },
    server: 'client_max_body_size 1m; root $files/../www; error_page 413 /sorry.html;',
  });
  const [headers, body] = KINDS['of 300 MB, of which 100 KB come'];
  const answer = await started.ask('POST', '/download/a.txt', headers, body);
  expect(JSON.parse(answer.text)).toMatchObject(TOO_LARGE);
  await expect.poll(started.log).toContain('"code":"content_too_large"');
});
