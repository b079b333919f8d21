import type { RequestListener, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../harness/wait.ts';
import { forTest } from '../support/for-test.ts';
import { apiListener, createPostern, listening } from '../support/postern.ts';
import { modes, type Site, type SiteOptions, siteForTest, useSite } from '../support/site.ts';

const FILE = 'file a';

/** nginx sends its own sentence, because the gate that writes the page does not answer. */
async function unavailable(site: Site, url: string) {
  const [answer, page] = await Promise.all([
    site.ask('GET', url, { Accept: 'video/*, */*;q=0.5' }),
    site.ask('GET', url, { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }),
  ]);
  expect([answer.status, page.status]).toEqual([503, 503]);
  expect([answer.header('Retry-After'), page.header('Retry-After')]).toEqual(['5', '5']);
  expect(answer.header('Content-Type')).toBe('application/problem+json');
  expect(JSON.parse(answer.text)).toMatchObject({ status: 503, code: 'unavailable' });
  expect(page.header('Content-Type')).toBe('text/plain');
  expect(page.text).toMatch(/try again/i);
}

async function recovers(site: Site, url: string): Promise<void> {
  const tried = async () => {
    const answer = await site.ask('GET', url);
    return answer.status !== 503 && answer;
  };
  const answer = await waitFor(tried, { what: 'another status than 503' });
  expect([answer.status, answer.text]).toEqual([200, FILE]);
}

describe.each(modes)('fail closed: the service fails by %s', (mode) => {
  test('stopped, then back', async () => {
    const site = await siteForTest({ mode, files: { 'a.mp4': FILE } });
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await recovers(site, url);
    await site.gate.stop();
    await unavailable(site, url);
    await forTest(listening(site.postern.gate, `${site.nginx.dir}/gate.sock`));
    await recovers(site, url);
  });

  test('hanging, then back', async () => {
    let hangs = true;
    const site = await siteForTest({
      ...{ mode, files: { 'a.mp4': FILE } },
      around: (gate) => (request, response) => void (hangs || gate(request, response)),
    });
    const { url } = await site.issue({ path: '/download/a.mp4' });
    await unavailable(site, url);
    hangs = false;
    await recovers(site, url);
  });

  // As a gate that is killed after it has accepted a new connection.
  test.each([1, 2])('ends %i new connections before it answers: nginx asks twice', async (ends) => {
    let asked = 0;
    const around: SiteOptions['around'] = (gate) => (request, response) => {
      asked += 1;
      if (asked <= ends) request.socket.destroy();
      else gate(request, response);
    };
    const site = await siteForTest({ mode, around, files: { 'a.mp4': FILE } });
    const { url } = await site.issue({ path: '/download/a.mp4' });
    expect((await site.ask('GET', url)).status).toBe(ends === 1 ? 200 : 503);
    expect(asked).toBe(2);
  });
});

// The gate takes the use, and ends before it answers. nginx asks again.
describe.each(modes)('fail closed: a use that was taken while the gate ended by %s', (mode) => {
  test.each([
    ['any', 200],
    ['cookie', 401],
  ])('with bind: %s the second request gets %i, and one use is taken', async (bind, status) => {
    let asked = 0;
    const around: SiteOptions['around'] = (gate) => (request, response) => {
      asked += 1;
      if (asked === 1) response.end = () => request.socket.destroy() as unknown as typeof response;
      gate(request, response);
    };
    const site = await siteForTest({ mode, around, files: { 'a.mp4': FILE } });
    const { url, id } = await site.issue({ path: '/download/a.mp4', max_uses: 1, bind });
    expect((await site.ask('GET', url)).status).toBe(status);
    expect(asked).toBe(2);
    expect(await site.postern.store.requesters(id)).toMatchObject({ total: 1 });
  });
});

// The server on the gate's port may not be the gate, but another container, a proxy or an old version.

const TARGETS = {
  'Postern-Target': '/protected/a.txt',
  'X-Accel-Redirect': '/protected/a.txt',
  'X-Accel-Expires': '60',
};

describe.each(modes)('fail closed: a wrong server on the port of the gate by %s', (mode) => {
  let reply: (response: ServerResponse) => void;
  const gate: RequestListener = (_, response) => reply(response);
  const locations = 'location = /app { proxy_pass http://postern; }';
  const files = { 'a.txt': FILE, '../secret.txt': FILE };
  const site = useSite({ mode, gate, locations, files });

  async function wrongly(by: (response: ServerResponse) => void) {
    reply = by;
    const empty = { 'Content-Length': '0', Connection: 'close' };
    const posted = await site.ask('POST', '/download/a.txt', empty);
    const answer = await site.ask('GET', '/download/a.txt');
    expect(posted.text + answer.text).not.toContain(FILE);
    return answer;
  }

  const status = mode === 'auth_request' ? 204 : 200;

  test('the right response is allowed', async () => {
    reply = (response) => response.writeHead(status, TARGETS).end();
    const answer = await site.ask('GET', '/download/a.txt');
    expect([answer.status, answer.text]).toEqual([200, FILE]);
  });

  const wrong = [200, 201, 202, 204, 205, 206, 207, 301, 302, 304, 307, 400, 401, 403, 404, 418];
  const statuses = [...wrong, 429, 500, 502, 503, 504].filter((one) => one !== status);
  test.each(statuses)('status %i with a target is denied', async (code) => {
    for (const body of ['', 'a body']) {
      const answer = await wrongly((response) => response.writeHead(code, TARGETS).end(body));
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.header('Postern-Target')).toBeUndefined();
      expect(answer.header('X-Accel-Redirect')).toBeUndefined();
    }
  });

  const nowhere = `/ // protected/a.txt ./protected/a.txt /protected /protected/ /protected/../a.txt
    /protected/../../etc/passwd /protected/../secret.txt /protected/.. /protected/. //etc/passwd
    ///etc/passwd http://127.0.0.1/protected/a.txt @postern_failed @postern_deliver /download/a.txt
    /download/~x/a.txt /PROTECTED/a.txt /protected/none.txt`.split(/\s+/);
  nowhere.push('/protected/a.txt, /protected/a.txt');
  // nginx itself cleans the URI of an X-Accel-Redirect, and refuses one that leads out.
  const unclean = '/protected/./a.txt /./protected/a.txt /protected//a.txt //protected/a'.split(
    ' ',
  );
  const bad = mode === 'auth_request' ? [...nowhere, ...unclean] : nowhere;
  test.each(bad)(`a ${status} to %j`, async (target) => {
    const headers = { 'Postern-Target': target, 'X-Accel-Redirect': target };
    const answer = await wrongly((response) => response.writeHead(status, headers).end());
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });

  test.each([{}, { 'Postern-Target': '' }, { 'Postern-Target': ' ' }])(
    `a ${status} with %j`,
    async (headers) => {
      const answer = await wrongly((response) => response.writeHead(status, headers).end());
      // With X-Accel, nginx passes on a response without a redirect, as any proxy does.
      expect([answer.status, answer.text.length > 0]).toEqual(
        mode === 'auth_request' ? [503, true] : [200, false],
      );
    },
  );

  // With auth_request, nginx ignores the redirect.
  const told = [
    {},
    { 'Postern-Target': '/protected/b.txt' },
    { 'Postern-Target': '/protected/a.tx' },
    { 'Postern-Target': '/protected/a.txt', 'Postern-Args': 'a=b' },
    { 'Postern-Target': '/protected/a.txt?' },
  ];
  test.each(told)('a redirect to another file than the target is denied: %j', async (target) => {
    const headers = { 'X-Accel-Redirect': '/protected/a.txt', ...target };
    const answer = await wrongly((response) => response.writeHead(200, headers).end());
    expect(answer.status).toBe(mode === 'X-Accel' ? 404 : 503);
  });

  test('an application of the site cannot decide like the gate', async () => {
    reply = (response) => response.writeHead(200, TARGETS).end();
    const answer = await site.ask('GET', '/app');
    expect([answer.status, answer.text.includes(FILE)]).toEqual([404, false]);
  });

  test('a target in the header of the other mode is denied', async () => {
    const name = mode === 'auth_request' ? 'X-Accel-Redirect' : 'Postern-Target';
    const headers = { [name]: '/protected/a.txt' };
    await wrongly((response) => response.writeHead(200, headers).end());
    await wrongly((response) => response.writeHead(204, headers).end());
    await wrongly((response) => response.writeHead(403, headers).end());
  });

  const silent: Record<string, string> = {
    'a header beyond the buffer': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
    'a cut header': 'HTTP/1.1 200 OK\r\nX-Accel-Redirect: /protected/a.txt',
    nothing: '',
  };
  // With X-Accel, nginx passes them on: for a proxy, the first two are HTTP/0.9.
  const odd: Record<string, string> = {
    garbage: '\x00\x01\x02 garbage \r\n\r\n',
    'no status': 'HTTP/1.1 \r\nPostern-Target: /protected/a.txt\r\n\r\n',
    'another 204': 'HTTP/1.1 2040 Odd\r\nPostern-Target: /protected/a.txt\r\n\r\n',
    'a broken header': 'HTTP/1.1 204 No Content\r\nPostern-Target\r\n\r\n',
  };
  const wire = mode === 'auth_request' ? { ...silent, ...odd } : silent;
  test.each(Object.entries(wire))('%s', async (_, bytes) => {
    const answer = await wrongly(({ socket }) => socket?.end(bytes));
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'unavailable' });
  });

  test('a 204 with a body is denied', async () => {
    const head = 'HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n';
    await wrongly(({ socket }) => socket?.end(`${head}\r\nfile b`));
  });
});

test.each(modes)(
  "by %s, the API's port as nginx's upstream opens nothing and never answers invalid_token",
  async (mode) => {
    const gate = apiListener(createPostern().api);
    const site = await siteForTest({ mode, gate, files: { a: 'file a' } });
    const { url } = await site.issue({ path: '/download/a' });
    const { status, text } = await site.ask('GET', url);
    // nginx passes the response on to the client unchanged.
    expect(status).toBe(mode === 'auth_request' ? 503 : 404);
    expect(text).not.toContain('file a');
    expect(text).not.toContain('invalid_token');
  },
);
