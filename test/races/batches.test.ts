import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../dev/paths.ts';
import { type Redis, startRedis } from '../../dev/redis.ts';
import { type ServiceProcess, startService } from '../../dev/service.ts';
import { waitFor } from '../../dev/wait.ts';
import { jwksText } from '../jwt/keys.ts';
import { KEY } from '../support/postern.ts';

const CLIENTS = 32;
const BATCHES_EACH = 2;
const AT_ONCE = 1000;
const GATE_PER_SECOND = 200;

const path = (i: number) => `/download/reports/2026/quarter-${i}.pdf`;
const plain = Array.from({ length: AT_ONCE }, (_, i) => ({ path: path(i), subject: `user-${i}` }));
const unknownFields = `{${Array.from({ length: 122_000 }, (_, i) => `"${i}":1`).join(',')}}`.slice(
  0,
  1_040_000,
);

const loads: ReadonlyArray<readonly [what: string, body: string, status: number]> = [
  ['1,000 opaque tokens', JSON.stringify(plain), 201],
  ['1,000 ES256 JWTs', JSON.stringify(plain.map((one) => ({ ...one, format: 'jwt' }))), 201],
  [
    '1,000 ES256 JWTs that are not recorded',
    JSON.stringify(plain.map((one) => ({ ...one, format: 'jwt', revocable: false }))),
    201,
  ],
  ['an object with more unknown fields than a body may have', unknownFields, 400],
  ['arrays in arrays', '['.repeat(500_000), 400],
];

describe('the gate while clients post batches', () => {
  let redis: Redis;
  let service: ServiceProcess;
  let url: string;
  const agent = new Agent({ keepAlive: true });
  beforeAll(async () => {
    redis = await startRedis();
    const keys = join(await temporaryFolder(), 'keys.json');
    await writeFile(keys, await jwksText('ES256'));
    service = await startService({
      env: {
        POSTERN_STORE: redis.url,
        POSTERN_MOUNTS: '/download/=/protected/',
        POSTERN_API_KEYS: `web:${KEY}`,
        POSTERN_JWT_KEYS: keys,
        POSTERN_LOG_LEVEL: 'silent',
      },
      stdio: 'ignore',
    });
    await waitFor(async () => (await post('{"path":"/download/a"}')).status === 201, {
      what: 'the store',
    });
    url = JSON.parse((await post('{"path":"/download/a"}')).text).url;
  });
  afterAll(async () => {
    agent.destroy();
    await service.stop();
    await redis.stop();
  });

  function post(body: string | Buffer): Promise<{ status: number; text: string }> {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    return send(service.apiPort, '/tokens', 'POST', headers, body);
  }

  function send(
    port: number,
    path: string,
    method: string,
    headers: Record<string, string>,
    body: string | Buffer = '',
  ) {
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asked = request({ port, path, method, headers, agent }, (response) => {
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

  test.each(loads)(
    'no answer of 503 while clients post %s',
    async (what, text, status) => {
      const body = Buffer.from(text);
      await send(service.apiPort, '/metrics', 'GET', {});
      const posted: number[] = [];
      const decided: number[] = [];
      const took: number[] = [];
      let done = false;
      const began = performance.now();
      const clients = Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          for (let i = 0; i < BATCHES_EACH; i += 1) posted.push((await post(body)).status);
        }),
      ).finally(() => {
        done = true;
      });
      const asks: Array<Promise<void>> = [];
      for (let turn = 1; !done; turn += 1) {
        const started = performance.now();
        asks.push(
          send(service.gatePort, '/auth-request', 'GET', {
            'X-Original-URI': url,
            'X-Original-Method': 'GET',
            'Postern-Site': 'files.example',
          }).then(({ status: decision }) => {
            decided.push(decision);
            took.push(performance.now() - started);
          }),
        );
        await sleep(Math.max(0, began + (turn * 1000) / GATE_PER_SECOND - performance.now()));
      }
      await clients;
      const seconds = (performance.now() - began) / 1000;
      await Promise.all(asks);
      const lag = [
        ...(await send(service.apiPort, '/metrics', 'GET', {})).text.matchAll(
          /^nodejs_eventloop_lag_\w+ (\S+)|^process_cpu_seconds_total (\S+)/gm,
        ),
      ]
        .map(([line]) => line)
        .join(' ');
      took.sort((a, b) => a - b);
      const at = (part: number) => took[Math.floor(took.length * part)]?.toFixed(1);
      const tally = (all: number[]) =>
        JSON.stringify(
          Object.fromEntries(
            [...new Set(all)].map((one) => [one, all.filter((other) => other === one).length]),
          ),
        );
      console.log(
        `${what}: ${seconds.toFixed(1)} s, ${Math.round((CLIENTS * BATCHES_EACH * AT_ONCE) / seconds)} tokens/s, gate p50 ${at(0.5)} p99 ${at(0.99)} ms max ${at(0.9999)}, gate ${tally(decided)}, POST ${tally(posted)} ${lag}`,
      );
      expect(new Set(posted)).toEqual(new Set([status]));
      expect(new Set(decided)).toEqual(new Set([204]));
    },
    120_000,
  );
});
