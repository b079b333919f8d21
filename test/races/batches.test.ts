import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';
import { startRedis } from '../harness/redis.ts';
import { askApi, askGate } from '../support/ask-service.ts';
import { forTest } from '../support/for-test.ts';
import { jwksText } from '../support/jwt/issuers.ts';
import { KEY } from '../support/postern.ts';
import { startInstance } from '../support/racers.ts';

/** More than may be in progress. */
const AT_ONCE = 32;
const POSTS_EACH = 20;
const BATCH = 100;
const DECISIONS_PER_SECOND = 200;

const batch = (more: object) =>
  JSON.stringify(
    Array.from({ length: BATCH }, (_, i) => {
      return { path: `/download/reports/quarter-${i}.pdf`, subject: `user-${i}`, ...more };
    }),
  );
const unknownFields = Array.from({ length: 12_000 }, (_, i) => `"u${i}":1`);

const loads: ReadonlyArray<readonly [what: string, body: string, status: number]> = [
  ['100 opaque tokens', batch({}), 201],
  ['100 tokens with PINs', batch({ confirm: true, pin: '4711' }), 201],
  ['100 ES256 JWTs', batch({ format: 'jwt' }), 201],
  ['100 ES256 JWTs that are not revocable', batch({ format: 'jwt', revocable: false }), 201],
  ['100 KB of unknown fields', `[{${unknownFields.join(',')}}]`, 400],
  ['100 KB of nested arrays', '['.repeat(100_000), 400],
];

// A delay of the service's own must not use up the store's time-out. Four times the usual one, as the machine
// may be busy with other work.
const TIMEOUT = { POSTERN_STORE_TIMEOUT_MS: '1000' };

const redis = await startRedis();
afterAll(redis.stop);
const folder = await temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));
const keys = join(folder, 'keys.json');
await writeFile(keys, await jwksText('ES256'));
const service = await startInstance(redis.url, { ...TIMEOUT, POSTERN_JWT_KEYS_FILE: keys });
afterAll(service.stop);
const json = { path: '/download/a', expires_in: 3600 };
const { url } = (await askApi(service, 'POST /tokens', { json })).body;

/** The status, when the whole response has come. */
async function statusOf(answer: Promise<Response>): Promise<number> {
  const response = await answer;
  await response.arrayBuffer();
  return response.status;
}

function post(body: string, port = service.apiPort, key = KEY): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return statusOf(
    fetch(`http://127.0.0.1:${port}/tokens/batch`, { method: 'POST', headers, body }),
  );
}

test('batch: a heap of 128 MB holds 512 batches of 120 kB of 64 clients that arrive at once', async () => {
  const clients = Array.from({ length: 64 }, (_, i) => `the-key-of-client-${i}`);
  const env = {
    ...{ ...TIMEOUT, NODE_OPTIONS: '--max-old-space-size=128' },
    POSTERN_API_KEYS: clients.map((key, i) => `client-${i}:${key}`).join(','),
  };
  const small = await forTest(startInstance(redis.url, env));
  const long = (i: number, letter: string, length: number) => String(i).padEnd(length, letter);
  const texts = (i: number) => ({ subject: long(i, 's', 256), filename: long(i, 'f', 255) });
  const requests = Array.from({ length: BATCH }, (_, i) => {
    return { path: `/download/${long(i, 'p', 600)}`, ...texts(i) };
  });
  const body = JSON.stringify(requests);
  const sent = clients.flatMap((key) =>
    Array.from({ length: 8 }, () => post(body, small.apiPort, key).catch(() => undefined)),
  );
  const statuses = (await Promise.all(sent)).filter((status) => status !== undefined);
  // Those above 32 MiB are rejected, or lose their connection while they still send.
  expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(200);
  expect(statuses.filter((status) => ![201, 429].includes(status))).toEqual([]);
  expect(await post('[{"path":"/download/a"}]', small.apiPort, clients[0])).toBe(201);
});

test.each(loads)('no request gets 503 while a client posts %s', async (_, body, status) => {
  const began = performance.now();
  let isOver = false;
  const posts = Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const statuses = [];
      for (let i = 0; i < POSTS_EACH; i += 1) statuses.push(await post(body));
      return statuses;
    }),
  ).finally(() => {
    isOver = true;
  });
  const decisions: Array<Promise<number>> = [];
  while (!isOver) {
    decisions.push(statusOf(askGate(service, url)));
    const next = began + (decisions.length * 1000) / DECISIONS_PER_SECOND;
    await sleep(next - performance.now());
  }
  const statuses = new Set((await posts).flat());
  expect(statuses).toContain(status);
  expect([...statuses].filter((one) => one !== status && one !== 429)).toEqual([]);
  expect(new Set(await Promise.all(decisions))).toEqual(new Set([204]));
});
