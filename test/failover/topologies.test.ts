import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../dev/paths.ts';
import { startRedisCluster } from '../../dev/redis-cluster.ts';
import { startRedisSentinel } from '../../dev/redis-sentinel.ts';
import { startService } from '../../dev/service.ts';
import { needTool } from '../support/need-tool.ts';

const PASSWORD = 'data-pa55word';
const SENTINEL_PASSWORD = 'sentinel-pa55word';
const KEY = '0123456789abcdef0123456789abcdef';

/** The service with a password file. */
async function started(env: Record<string, string>) {
  const folder = await temporaryFolder();
  const file = join(folder, 'password');
  await writeFile(file, `${PASSWORD}\n`);
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `web:${KEY}`,
      POSTERN_STORE_TIMEOUT_MS: '1500',
      POSTERN_STORE_PASSWORD_FILE: file,
      ...env,
    },
  });
  onTestFinished(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return service;
}

type Service = Awaited<ReturnType<typeof started>>;

async function issuesAndRevokes(service: Service): Promise<void> {
  const api = async (method: string, path: string, body?: unknown) => {
    const reply = await fetch(`http://127.0.0.1:${service.apiPort}${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  expect(await api('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ok' } });
  const paths = Array.from({ length: 20 }, (_, i) => ({ path: `/download/${i}`, subject: 'ada' }));
  const issued = await api('POST', '/tokens', paths);
  expect(issued.status).toBe(201);
  const decide = async (token: string, path: string) => {
    const reply = await fetch(`http://127.0.0.1:${service.gatePort}/auth-request`, {
      headers: {
        'X-Original-URI': `${path}?token=${token}`,
        'X-Original-Method': 'GET',
        'Postern-Site': 'files.example',
      },
    });
    return reply.status;
  };
  const tokens: Array<{ access_token: string }> = issued.body;
  const all = () =>
    Promise.all(tokens.map(({ access_token }, i) => decide(access_token, `/download/${i}`)));
  for (const status of await all()) expect(status).toBe(204);
  expect((await api('DELETE', '/tokens?subject=ada')).body).toEqual({ revoked: 20 });
  for (const status of await all()) expect(status).toBe(401);
}

test.for(['redis', 'valkey'] as const)(
  'service: it issues and revokes tokens on Sentinel with %s',
  async (engine, context) => {
    await needTool(`${engine}-server`, context);
    const redis = await startRedisSentinel({
      engine,
      args: ['--requirepass', PASSWORD, '--masterauth', PASSWORD],
      sentinelLines: [`sentinel auth-pass main ${PASSWORD}`, `requirepass ${SENTINEL_PASSWORD}`],
    });
    onTestFinished(() => redis.stop());
    const service = await started({
      POSTERN_STORE: redis.url,
      POSTERN_SENTINEL_PASSWORD: SENTINEL_PASSWORD,
    });
    await issuesAndRevokes(service);
    expect(service.stdout() + service.stderr()).not.toMatch(/pa55word/);
  },
);

test.for(['redis', 'valkey'] as const)(
  'service: it issues and revokes tokens on a cluster of %s',
  async (engine, context) => {
    await needTool(`${engine}-server`, context);
    const redis = await startRedisCluster({ engine, replicas: 0 });
    onTestFinished(() => redis.stop());
    // Without a password in the cluster, any would be rejected.
    const service = await started({
      POSTERN_STORE: redis.url,
      POSTERN_STORE_PASSWORD_FILE: '',
    });
    await issuesAndRevokes(service);
  },
);
