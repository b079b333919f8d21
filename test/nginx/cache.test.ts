import { execFile } from 'node:child_process';
import { readdir, rm, stat } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { servingWorkers } from '../harness/nginx-log.ts';
import { waitFor } from '../harness/wait.ts';
import { cachedSite, FILES, HOSTILE, PATH, seen, snippet } from '../support/nginx/cached-site.ts';
import { openRaw, type RawAnswer, requestBytes } from '../support/raw.ts';
import { countAsked, siteForTest } from '../support/site.ts';
import { CACHE_CONF, CACHE_PATH } from '../support/snippet.ts';

test('decision cache: an allowed decision is reused, and simultaneous requests get their own files', async () => {
  const { issue, ask, asked, log, nginx } = await cachedSite();
  const more = { filename: 'report.txt', subject: 'ada' };
  const { url, id } = await issue({ path: '/download/a.txt', ...more });
  for (let i = 0; i < 5; i += 1) {
    const answer = await ask('GET', url);
    expect(seen(answer)).toEqual([200, 'file a']);
    expect(answer.header('content-disposition')).toContain('report.txt');
  }
  expect(asked()).toBe(1);
  const lines = async () => (await log()).trimEnd().split('\n');
  await expect.poll(lines).toHaveLength(5);
  for (const line of await lines()) {
    expect(JSON.parse(line)).toMatchObject({ token_id: id, subject: 'ada', code: 'allow' });
  }
  const kept = join(nginx.dir, 'postern-decisions');
  expect((await stat(kept)).mode & 0o777).toBe(0o700);
  expect(await readdir(kept)).toHaveLength(1);

  const issued = await Promise.all(
    Array.from({ length: 16 }, (_, i) =>
      issue({ path: `/download/${i % 2 ? 'b' : 'a'}.txt`, filename: `${i}.txt` }),
    ),
  );
  for (let round = 0; round < 4; round += 1) {
    const answers = await Promise.all(issued.map((one) => ask('GET', one.url)));
    for (const [i, answer] of answers.entries()) {
      expect(seen(answer)).toEqual([200, i % 2 ? 'file b' : 'file a']);
      expect(answer.header('content-disposition')).toContain(`"${i}.txt"`);
    }
  }
  expect(await nginx.errorLog()).not.toMatch(/\[(error|crit|alert)\]/);
});

// nginx asks without the cache if the zone is full, but not after an error of the folder: see the doctor's cache-folder.
test('decision cache: without its folder a download ends without a response, until nginx has reloaded', async () => {
  const path = CACHE_PATH.replace(';', ' use_temp_path=off;');
  const { issue, ask, nginx } = await cachedSite({ path });
  const { url } = await issue({ path: '/download/a.txt' });
  await rm(join(nginx.dir, 'postern-decisions'), { recursive: true });
  await expect(ask('GET', url)).rejects.toThrow('the connection ended after: ');
  expect((await ask('GET', '/download/a.txt')).status).toBe(401);
  await nginx.reload();
  expect(seen(await ask('GET', url))).toEqual([200, 'file a']);
});

/**
 * Asks until the status is `end`. Returns for how many seconds the answers before it were the first
 * one, used again: by nginx's own clock, so that a busy machine makes no difference.
 */
async function reusedFor(first: RawAnswer, end: number, ask: () => Promise<RawAnswer>) {
  const secondOf = (answer: RawAnswer) => Date.parse(answer.header('date') ?? '') / 1000;
  let last = first;
  await waitFor(
    async () => {
      const answer = await ask();
      if (answer.status === end) return true;
      expect(answer.status).toBe(first.status);
      last = answer;
      return false;
    },
    { what: `status ${end}` },
  );
  return secondOf(last) - secondOf(first);
}

describe('decision cache: its TTL', () => {
  test('decision cache: a revoked token is allowed until the TTL ends, then denied', async () => {
    const { issue, ask, postern, asked } = await cachedSite({ decisionTtl: 1 });
    const { url, id } = await issue({ path: '/download/a.txt' });
    const first = await ask('GET', url);
    expect(first.status).toBe(200);
    await postern.store.revoke(id, 'test');
    expect(await reusedFor(first, 401, () => ask('GET', url))).toBeLessThanOrEqual(1);
    const before = asked();
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(401);
    expect(asked()).toBe(before + 3);
  });

  test.each([
    ['', {}],
    [', even if the site allows stale answers', { http: PATH, server: HOSTILE }],
  ])('decision cache: no stale decision while the service is down%s', async (_, more) => {
    const { issue, ask, gate } = await cachedSite({ decisionTtl: 1, ...more });
    const { url } = await issue({ path: '/download/a.txt' });
    const first = await ask('GET', url);
    expect(first.status).toBe(200);
    await gate.stop();
    expect(await reusedFor(first, 503, () => ask('GET', url))).toBeLessThanOrEqual(1);
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(503);
  });
});

describe('decision cache: cache directives of the site have no effect', () => {
  test.each(['http', 'server'])('in its %s block', async (place) => {
    const { issue, ask, asked, postern, files } = await cachedSite(
      place === 'http' ? { http: PATH + HOSTILE } : { http: PATH, server: HOSTILE },
    );
    const mine = await issue({ path: '/download/a.txt' });
    const counted = await issue({ path: '/download/b.txt', max_uses: 9 });
    for (let i = 0; i < 3; i += 1) {
      expect(seen(await ask('GET', mine.url))).toEqual([200, 'file a']);
      expect(seen(await ask('GET', counted.url))).toEqual([200, 'file b']);
      expect((await ask('GET', '/download/a.txt')).status).toBe(401);
      expect((await ask('GET', mine.url.replace('a.txt', 'b.txt'))).status).toBe(403);
    }
    expect(asked()).toBe(1 + 3 * 3);
    expect(await readdir(join(files, '..', 'cache'))).toEqual([]);
    const { find } = postern.store;
    postern.store.find = () => Promise.reject(new Error('gone'));
    expect((await ask('GET', mine.url)).status).toBe(200);
    expect((await ask('GET', `/download/b.txt?token=${mine.access_token}`)).status).toBe(503);
    postern.store.find = find;
  });

  test('ranges do not cause more requests to the gate', async () => {
    const { issue, ask, asked } = await cachedSite({ http: PATH, server: HOSTILE });
    const { url } = await issue({ path: '/download/a.txt' });
    for (const Range of ['bytes=0-1', 'bytes=3-', 'bytes=-1']) {
      expect((await ask('GET', url, { Range })).status).toBe(206);
    }
    expect(asked()).toBeLessThanOrEqual(2);
  });
});

describe('decision cache: other responses are not cached and allow nothing', () => {
  test('of a wrong server on the port of the gate', async () => {
    const target = { 'Postern-Target': '/protected/a.txt' };
    let reply = { status: 200, headers: {} };
    const { ask, asked } = await cachedSite({
      gate: (_, response) =>
        void response.writeHead(reply.status, { 'X-Accel-Expires': '60', ...reply.headers }).end(),
    });
    for (const [status, headers, seen] of [
      [200, target, 503],
      [206, target, 503],
      [204, {}, 503],
      [401, {}, 401],
      [403, target, 403],
      [304, target, 503],
    ] as const) {
      reply = { status, headers };
      const before = asked();
      // Each with its own URL, because a 204 without a target is cached.
      const url = `/download/a.txt?${status}`;
      for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).status).toBe(seen);
      if (status !== 204) expect(asked() - before).toBe(3);
    }
  });

  test('a 204 without X-Accel-Expires is not cached', async () => {
    const caching = { 'Cache-Control': 'max-age=60', Expires: 'Fri, 01 Jan 2100 00:00:00 GMT' };
    const headers = { 'Postern-Target': '/protected/a.txt', ...caching };
    const gate: RequestListener = (_, response) => void response.writeHead(204, headers).end();
    const { ask, asked } = await cachedSite({ http: PATH, server: HOSTILE, gate });
    for (let i = 0; i < 3; i += 1) expect((await ask('GET', '/download/a.txt')).status).toBe(200);
    expect(asked()).toBe(3);
  });

  test.each(['EXPIRED', 'STALE', 'UPDATING', 'REVALIDATED', 'BYPASS', 'MISS', 'HIT HIT', ''])(
    'the cache status %s is not accepted',
    async (state) => {
      const text = snippet('auth-request');
      const rule = new RegExp(/if \(\$postern_answer !~ "(.*)"\)/.exec(text)?.[1] as string);
      expect(`/${state} /a`).not.toMatch(rule);
      expect(`304/${state} /a`).not.toMatch(rule);
      expect(rule.test(`204/${state} /a`)).toBe(!state.includes(' '));
      expect('/HIT /a').toMatch(rule);
    },
  );
});

test('decision cache: if it fails, the gate is asked without it', async () => {
  // As with a zone that is full of decisions in use: nginx answers 500 before it asks the gate.
  const { issue, ask, asked } = await cachedSite({ path: '' });
  const { url } = await issue({ path: '/download/a.txt' });
  for (let i = 0; i < 3; i += 1) expect((await ask('GET', url)).text).toBe('file a');
  expect(asked()).toBe(3);
  expect((await ask('GET', '/download/a.txt')).status).toBe(401);
  expect((await ask('GET', url.replace('a.txt', 'b.txt'))).status).toBe(403);
});

test.each([
  ['with X-Accel', { mode: 'X-Accel', http: CACHE_CONF }],
  ['with X-Accel without cache.conf', { mode: 'X-Accel' }],
  ['with auth_request without cache.conf', { mode: 'auth_request' }],
] as const)('decision cache: %s the gate is asked each time', async (_, options) => {
  const site = await siteForTest({ files: FILES, decisionTtl: 60, ...options });
  const asked = countAsked(site);
  const { url } = await site.issue({ path: '/download/a.txt' });
  for (let i = 0; i < 3; i += 1) expect((await site.ask('GET', url)).status).toBe(200);
  expect(asked()).toBe(3);
});

test('decision cache: 1,200 users, or one with 1,500 queries, leave descriptors for the next user', async () => {
  const { nginx, issue, ask } = await siteForTest({
    ...{ mode: 'auth_request', files: FILES, decisionTtl: 60 },
    // A usual setting of a site. For cached decisions it would keep a descriptor each.
    http: `open_file_cache max=10000; ${CACHE_CONF}`,
  });
  // As Debian starts nginx: no LimitNOFILE in the unit, so 1,024 descriptors for each worker.
  const [worker = ''] = servingWorkers(await nginx.errorLog());
  await promisify(execFile)('prlimit', ['--pid', worker, '--nofile=1024:1024']);

  const token = () => issue({ path: '/download/a.txt' });
  const users = await Promise.all(Array.from({ length: 1200 }, token));
  const { url: one } = await token();
  const queries = Array.from({ length: 1500 }, (_, i) => `${one}&n=${i}`);
  for (const urls of [users.map(({ url }) => url), queries]) {
    const connection = await openRaw(nginx.port);
    const statuses = new Set<number>();
    for (const url of urls) {
      for (const Range of ['bytes=0-2', 'bytes=3-']) {
        statuses.add((await connection.send(requestBytes('GET', url, { Range }))).status);
      }
    }
    connection.close();
    expect(statuses).toEqual(new Set([206]));
    expect(seen(await ask('GET', (await token()).url))).toEqual([200, 'file a']);
    expect(await nginx.errorLog()).not.toContain('Too many open files');
  }
});
