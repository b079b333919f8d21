import { writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';
import { type Redis, startRedis } from '../harness/redis.ts';
import type { ServiceProcess } from '../harness/service.ts';
import { jwksText } from '../jwt/issuers.ts';
import { askApi } from '../support/ask-service.ts';
import { forTest } from '../support/for-test.ts';
import { KEY } from '../support/postern.ts';
import { startInstance } from './site.ts';

const CLIENTS = 32;
const POSTS_EACH = 2;
const AT_ONCE = 1000;
const DECISIONS_PER_SECOND = 200;

const batch = (more: object) =>
  JSON.stringify(
    Array.from({ length: AT_ONCE }, (_, i) => {
      return { path: `/download/reports/quarter-${i}.pdf`, subject: `user-${i}`, ...more };
    }),
  );
const unknownFields = Array.from({ length: 90_000 }, (_, i) => `"u${i}":1`);

const loads: ReadonlyArray<readonly [what: string, body: string, status: number]> = [
  ['1,000 opaque tokens', batch({}), 201],
  ['1,000 ES256 JWTs', batch({ format: 'jwt' }), 201],
  ['1,000 ES256 JWTs that are not revocable', batch({ format: 'jwt', revocable: false }), 201],
  ['a megabyte of unknown fields', `[{${unknownFields.join(',')}}]`, 400],
  ['half a megabyte of nested arrays', '['.repeat(500_000), 400],
];

// A delay of the service's own must not use up the store's time-out. Four times the usual one, as the machine
// may be busy with other work.
const TIMEOUT = { POSTERN_STORE_TIMEOUT_MS: '1000' };

let redis: Redis;
let service: ServiceProcess;
let url: string;
const agent = new Agent({ keepAlive: true });

beforeAll(async () => {
  redis = await startRedis();
  const keys = join(await temporaryFolder(), 'keys.json');
  await writeFile(keys, await jwksText('ES256'));
  service = await startInstance(redis.url, { ...TIMEOUT, POSTERN_JWT_KEYS: keys });
  const json = { path: '/download/a', expires_in: 3600 };
  url = (await askApi(service, 'POST /tokens', { json })).body.url;
});

afterAll(async () => {
  agent.destroy();
  await service.stop();
  await redis.stop();
});

function send(sending: RequestOptions, body?: Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...sending, agent }, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

function post(body: Buffer, port = service.apiPort) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  return send({ port, path: '/tokens/batch', method: 'POST', headers }, body);
}

function decide() {
  const headers = {
    'X-Original-URI': url,
    'X-Original-Method': 'GET',
    'Postern-Site': 'files.example',
  };
  return send({ port: service.gatePort, path: '/auth-request', headers });
}

test('a heap of 192 MB holds 300 batches of 882 kB that arrive at once', async () => {
  const heap = { NODE_OPTIONS: '--max-old-space-size=192' };
  const small = await forTest(startInstance(redis.url, { ...TIMEOUT, ...heap }));
  const long = (i: number, letter: string, length: number) => String(i).padEnd(length, letter);
  const texts = (i: number) => ({ subject: long(i, 's', 256), filename: long(i, 'f', 255) });
  const requests = Array.from({ length: AT_ONCE }, (_, i) => {
    return { path: `/download/${long(i, 'p', 310)}`, ...texts(i) };
  });
  const body = Buffer.from(JSON.stringify(requests));
  const sent = Array.from({ length: 300 }, () => post(body, small.apiPort).catch(() => undefined));
  const statuses = (await Promise.all(sent)).flatMap((reply) => reply?.status ?? []);
  // Those that find no place are refused, or lose their connection while they still send. The last ones may not be
  // read within 30 seconds.
  expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(20);
  expect(statuses.filter((status) => ![201, 408, 503].includes(status))).toEqual([]);
  expect((await post(Buffer.from('[{"path":"/download/a"}]'), small.apiPort)).status).toBe(201);
}, 120_000);

test.each(loads)(
  'the gate and the API never answer 503 while 32 clients post %s',
  async (what, text, status) => {
    const body = Buffer.from(text);
    const began = performance.now();
    let ended = 0;
    const posts = Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const statuses = [];
        for (let i = 0; i < POSTS_EACH; i += 1) statuses.push((await post(body)).status);
        return statuses;
      }),
    ).finally(() => {
      ended = performance.now();
    });
    const decisions: Array<Promise<{ status: number; took: number }>> = [];
    while (ended === 0) {
      const asked = performance.now();
      decisions.push(
        decide().then((answer) => ({ status: answer.status, took: performance.now() - asked })),
      );
      await sleep(began + (decisions.length * 1000) / DECISIONS_PER_SECOND - asked);
    }
    const posted = (await posts).flat();
    const decided = await Promise.all(decisions);

    const times = decided.map(({ took }) => took).sort((a, b) => a - b);
    const at = (part: number) => times[Math.floor(times.length * part)]?.toFixed(1);
    const perSecond = Math.round((posted.length * 1000) / (ended - began));
    // For a person. On a busy machine they say little.
    console.log(`${what}: ${perSecond} posts/s; gate: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    expect(new Set(posted)).toEqual(new Set([status]));
    expect(new Set(decided.map((decision) => decision.status))).toEqual(new Set([204]));
  },
  120_000,
);
