import { afterAll, describe, expect, test } from 'vitest';
import { type Redis, startRedis } from '../harness/redis.ts';
import { keptLog } from '../support/ask-api.ts';
import { bytes, linesOf, unescaped } from '../support/fixtures.ts';
import { KEY } from '../support/postern.ts';
import { modes, type SiteOptions, useSite } from '../support/site.ts';
import { openRedis, tell } from '../support/store/open-redis.ts';

// Each rule once, from end to end: nginx asks the gate, whose store is a Redis.

describe.each(modes)('smoke: with Redis by %s', (mode) => {
  let redis: Redis;
  const { log, lines } = keptLog('debug');
  const files = { 'a.txt': 'file a', 'b.txt': 'file b', '../secret.txt': 'a secret' };
  const site = useSite(async (): Promise<SiteOptions> => {
    redis = await startRedis();
    return { mode, files, log, store: await openRedis(redis, { timeoutMs: 1_000 }) };
  });
  afterAll(() => redis.stop());

  const path = '/download/a.txt';
  const issued: string[] = [];
  const issue = async (more: object = {}) => {
    const token = await site.issue({ path, ...more });
    issued.push(token.access_token);
    return token;
  };
  /** The status, and the file or the code of the denial. */
  const opened = async (url: string, method = 'GET', headers: Record<string, string> = {}) => {
    const { status, text } = await site.ask(method, url, { 'Content-Length': '0', ...headers });
    return [status, text.startsWith('{') ? JSON.parse(text).code : text];
  };
  const ALLOWED = [200, 'file a'];

  test('download: a token opens its file and no other', async () => {
    const { url, access_token: token } = await issue();
    expect(await opened(url)).toEqual(ALLOWED);
    expect(await opened(path, 'GET', { Authorization: `Bearer ${token}` })).toEqual(ALLOWED);
    expect(await opened(path, 'GET', { Cookie: `postern=${token}` })).toEqual(ALLOWED);
    expect(await opened(url, 'GET', { Range: 'bytes=5-' })).toEqual([206, 'a']);
    expect(await opened(url.replace('a.txt', 'b.txt'))).toEqual([403, 'insufficient_scope']);
    expect(await opened(path)).toEqual([401, 'missing_token']);
    expect(await opened(`${path}?token=ps_${'x'.repeat(32)}`)).toEqual([401, 'invalid_token']);
    expect((await opened('/protected/a.txt'))[0]).toBe(404);
  });

  test('uses: two requesters get the file, and a third one gets 401', async () => {
    const { url } = await issue({ max_uses: 2, bind: 'cookie' });
    expect(await opened(url)).toEqual(ALLOWED);
    expect(await opened(url)).toEqual(ALLOWED);
    expect(await opened(url)).toEqual([401, 'invalid_token']);
  });

  test('revoke: a revoked token gets 401', async () => {
    const { url, id } = await issue();
    expect(await opened(url)).toEqual(ALLOWED);
    const headers = { Authorization: `Bearer ${KEY}` };
    const { status } = await site.postern.api.request(`/tokens/${id}`, {
      method: 'DELETE',
      headers,
    });
    expect(status).toBe(204);
    expect(await opened(url)).toEqual([401, 'invalid_token']);
  });

  test('confirm: only a POST of the same origin takes the use', async () => {
    const { url } = await issue({ confirm: true, max_uses: 1 });
    expect(await opened(url)).toEqual([401, 'confirmation_required']);
    const evil = { Origin: 'https://evil.example' };
    expect(await opened(url, 'POST', evil)).toEqual([403, 'cross_origin']);
    expect((await opened(url, 'POST'))[0]).toBe(303);
    expect(await opened(url)).toEqual(ALLOWED);
  });

  test('hostile names: none opens a file', async () => {
    const { access_token: token } = await issue({ path: undefined, prefix: '/download/' });
    expect(await opened(`/download/~${token}/a.txt`)).toEqual(ALLOWED);
    for (const name of linesOf('hostile-names.txt').map(unescaped)) {
      for (const target of [`/download/${name}?token=${token}`, `/download/~${token}/${name}`]) {
        const { status, text } = await site.ask('GET', bytes(target), { Connection: 'close' });
        expect([400, 401, 403, 404], target).toContain(status);
        expect(text, target).not.toMatch(/file [ab]|a secret/);
      }
    }
  });

  test('fail closed: while Redis does not answer, and while the gate is down, nobody gets a file', async () => {
    const { url } = await issue();
    redis.pause();
    expect(await opened(url)).toEqual([503, 'unavailable']);
    redis.resume();
    await expect.poll(async () => (await opened(url))[0]).toBe(200);
    await site.gate.stop();
    expect(await opened(url)).toEqual([503, 'unavailable']);
  });

  test('log: no token is in the access log of nginx, in the log of the gate, or in a key of Redis', async () => {
    const kept = await tell(redis, 'KEYS *');
    const all = [await site.log(), lines.join(''), kept].join('\n');
    expect(all).toContain('"code":"allow"');
    expect(issued.length).toBeGreaterThan(3);
    for (const token of issued) expect(all).not.toContain(token);
  });
});
