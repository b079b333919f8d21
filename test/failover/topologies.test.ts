import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { VARIANTS } from '../../bench/peers/all.ts';
import { fileOf } from '../../bench/run.ts';
import { running } from '../../bench/running.ts';
import type { Connection } from '../../service/store/connection/connection.ts';
import { connect } from '../../service/store/connection/server.ts';
import type { Commands } from '../../service/store/redis/commands.ts';
import { createIssues } from '../../service/store/redis/grants.ts';
import { createKeys } from '../../service/store/redis/record.ts';
import { startRedis } from '../harness/redis.ts';
import { startRedisCluster } from '../harness/redis-cluster.ts';
import { startRedisSentinel } from '../harness/redis-sentinel.ts';
import { storeContract } from '../store/contract.ts';
import { serviceForTest } from '../support/ask-service.ts';
import { docsBlock, settingsOf } from '../support/docs/blocks.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { needTool } from '../support/need-tool.ts';
import { grantAt, newId } from '../support/store/grants.ts';
import { answers, engines, openedOn, storeAt } from '../support/store/open-redis.ts';

const PASSWORD = 'data-pa55word';
const SENTINEL_PASSWORD = 'sentinel-pa55word';

/** The service with a password file. */
async function started(env: Record<string, string>) {
  const file = join(await folderForTest(), 'password');
  await writeFile(file, `${PASSWORD}\n`);
  const usual = { POSTERN_STORE_TIMEOUT_MS: '1500', POSTERN_STORE_PASSWORD_FILE: file };
  return serviceForTest({ ...usual, ...env });
}

type Service = Awaited<ReturnType<typeof started>>;

/** The tokens of one instance open at the other one. */
async function issuesAndRevokes({ api, gate: own }: Service, gate = own): Promise<void> {
  const paths = Array.from({ length: 20 }, (_, i) => ({ path: `/download/${i}`, subject: 'ada' }));
  const issued = await api('POST /tokens/batch', { json: paths });
  expect(issued.status).toBe(201);
  const tokens: Array<{ access_token: string }> = issued.body;
  const all = async () => {
    const uris = tokens.map(({ access_token }, i) => `/download/${i}?token=${access_token}`);
    return Promise.all(uris.map(async (uri) => (await gate(uri)).status));
  };
  for (const status of await all()) expect(status).toBe(204);
  expect((await api('DELETE /tokens?subject=ada')).body).toEqual({ revoked: 20 });
  for (const status of await all()) expect(status).toBe(401);
}

const HOSTS = '10.0.0.1,10.0.0.2,10.0.0.3';

/** A block of docs/operate/redis.md with the passwords of this test. */
function documented(words: string): string {
  return docsBlock('operate/redis.md', words)
    .replaceAll('<password>', PASSWORD)
    .replaceAll('<password of the sentinels>', SENTINEL_PASSWORD);
}

/** The lines of a redis.conf as arguments of a server. */
function serverArgs(conf: string): string[] {
  return conf.split('\n').flatMap((line) => {
    const [name, ...values] = line.split(' ');
    return [`--${name}`, ...values];
  });
}

const hostsOf = (url: string) => /:\/\/([^/]+)/.exec(url)?.[1] ?? '';

test('docs/operate/redis.md: one server, with two instances', async (context) => {
  await needTool('redis-server', context);
  const redis = await forTest(startRedis({ args: serverArgs(documented('maxmemory-policy')) }));
  const store = documented('POSTERN_STORE=redis://').replace('127.0.0.1:6379', hostsOf(redis.url));
  const env = { ...settingsOf(store), POSTERN_STORE_PASSWORD_FILE: '' };
  const [first, second] = [await started(env), await started(env)];
  await issuesAndRevokes(first, second.gate);
});

test.for(['redis', 'valkey'] as const)(
  'docs/operate/redis.md: Sentinel with %s',
  async (engine, context) => {
    await needTool(`${engine}-server`, context);
    const [, ...sentinelLines] = documented('sentinel monitor main').split('\n');
    const args = serverArgs(documented('masterauth'));
    const redis = await forTest(startRedisSentinel({ engine, args, sentinelLines }));
    const store = documented('POSTERN_STORE=redis+sentinel://').replace(HOSTS, hostsOf(redis.url));
    // With one engine the password is in the URL, with the other one in the file.
    const service = await started(
      engine === 'redis'
        ? { ...settingsOf(store), POSTERN_STORE_PASSWORD_FILE: '' }
        : settingsOf(store.replace(`:${PASSWORD}@`, '')),
    );
    await issuesAndRevokes(service);
    expect(service.stdout() + service.stderr()).not.toMatch(/pa55word/);
  },
);

test.for(['redis', 'valkey'] as const)(
  'docs/operate/redis.md: a cluster of %s',
  async (engine, context) => {
    await needTool(`${engine}-server`, context);
    const args = serverArgs(documented('cluster-enabled'));
    const redis = await forTest(startRedisCluster({ engine, args, replicas: 0 }));
    // Without a password in the cluster, any would be rejected.
    const store = documented('POSTERN_STORE=redis+cluster://')
      .replace(`:${PASSWORD}@`, '')
      .replace(HOSTS, hostsOf(redis.url));
    await issuesAndRevokes(
      await started({ ...settingsOf(store), POSTERN_STORE_PASSWORD_FILE: '' }),
    );
  },
);

test('Cluster: a subject is revoked between the writes of an issue, and the next revocation ends the grant', async () => {
  const cluster = await forTest(startRedisCluster({ replicas: 0 }));
  const options = { url: cluster.url, prefix: 'postern:', timeoutMs: 5_000 };
  const { store } = storeAt(cluster.url);
  const connection = connect(options, async () => {});
  onTestFinished(() => connection.close());
  await answers(store);
  await connection.send('postern:none', (redis) => redis.hget('postern:none', 'field'));

  const revoked: number[] = [];
  const revoke = async () => void revoked.push(await store.revokeAll('web', { subject: 'u' }));
  const interrupted: Connection = {
    ...connection,
    send: async (key, run) => {
      await revoke();
      return connection.send(key, run);
    },
  };
  const shared = {
    ...{ connection: interrupted, keys: createKeys(options.prefix), now: Date.now },
    acknowledged: (_, operation) => operation(),
    send: interrupted.send,
    run: (script, names, args) =>
      interrupted.send(names[0] ?? '', (redis) =>
        redis.eval(script, names.length, ...names, ...args),
      ),
  } as Partial<Commands> as Commands;
  const { issue } = createIssues(shared);
  const id = newId();
  await issue([[id, grantAt(Date.now(), { subject: 'u' })]]);
  // The revocations came before the grant, and before each of its three indexes.
  expect(revoked).toEqual([0, 0, 0, 0]);
  expect((await store.find(id)).grant).toBeDefined();
  await revoke();
  expect(revoked).toEqual([0, 0, 0, 0, 1]);
  expect((await store.find(id)).grant).toBeUndefined();
});

// running() checks that the file is served with a token, and denied without one.
test.for(['sentinel', 'cluster', 'two'])(
  'bench: %s serves the file only with its token',
  async (id, context) => {
    await needTool('redis-server', context);
    const variant = VARIANTS.find((each) => each.id === id);
    if (variant === undefined) throw new Error(`there is no ${id}`);
    const files = await fileOf(await folderForTest(), 1024);
    await running(variant, { files, tokens: 20 }, async ({ backend, nginx }) => {
      for (const path of backend.paths?.slice(0, 20) ?? [backend.path]) {
        expect((await fetch(nginx.url(path))).status).toBe(200);
      }
    });
  },
);

for (const [engine, name] of engines()) {
  const valkey = engine === 'valkey';
  // One of them with an acknowledgment by replicas, which must not change any answer.
  const replicas = valkey ? 1 : 0;
  for (const [topology, open] of [
    [' with Sentinel', () => startRedisSentinel({ engine })],
    [' Cluster', () => startRedisCluster({ engine })],
  ] as const) {
    storeContract(
      `${name}${topology} and ${replicas} replicas to acknowledge`,
      () => openedOn(open, { replicas }),
      { concurrent: true },
    );
  }
  // `npm test` has the one of Redis.
  if (valkey)
    storeContract(name, () => openedOn(() => startRedis({ engine })), { concurrent: true });
}
