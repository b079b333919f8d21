import { once } from 'node:events';
import { Redis as Client } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import type { RedisStoreOptions } from '../../service/store/connection/connection.ts';
import { ask, type Redis, startRedis } from '../harness/redis.ts';
import {
  type SentinelOptions,
  startRedisSentinel,
  startSentinel,
} from '../harness/redis-sentinel.ts';
import { waitFor } from '../harness/wait.ts';
import { forTest } from '../support/for-test.ts';
import { issueTo } from '../support/store/grants.ts';
import {
  answers,
  expectOneReconnection,
  storeAt,
  tell,
  whyOf,
} from '../support/store/open-redis.ts';
import { startHoldingProxy } from '../support/store/proxies.ts';

async function started(
  options: SentinelOptions = {},
  access: (url: string) => Partial<RedisStoreOptions> = () => ({}),
) {
  const redis = await forTest(startRedisSentinel(options));
  const warnings: string[] = [];
  const opened = storeAt(redis.url, {
    timeoutMs: 1_000,
    onWarning: (warning) => void warnings.push(warning),
    ...access(redis.url),
  });
  return { redis, ...opened, warnings };
}

// bench/failover/ has other failures, under load.
test.each([
  'is killed',
  'hangs, and continues later',
  'is replaced as planned, with one sentinel lost',
])('Sentinel: after the master %s, its successor answers', async (what) => {
  const { redis, store, states, warnings } = await started();
  const [old] = redis.servers as [Redis];
  const follows = () =>
    expect.poll(() => ask(old.port, 'ROLE'), { timeout: 30_000 }).toContain('slave');
  await answers(store);
  const id = await issueTo(store, { expiresAt: Date.now() + 600_000 });
  for (const replica of redis.servers.slice(1)) {
    const has = async () => (await ask(replica.port, `EXISTS postern:grant:{${id}}`)) === ':1\r\n';
    await waitFor(has, { what: 'the replica to have the grant' });
  }
  if (what.includes('planned')) {
    const [lost, asked] = redis.sentinels;
    await lost?.stop();
    const begins = async () =>
      (await ask(asked?.port ?? 0, 'SENTINEL FAILOVER main', 5_000))?.startsWith('+OK');
    // A sentinel promotes no replica that it has not asked yet.
    await waitFor(begins, { what: 'the sentinel to begin' });
    await follows();
    await answers(store);
  } else {
    if (what === 'is killed') process.kill(old.pid, 'SIGKILL');
    else old.pause();
    await expect.poll(() => states).toContainEqual(expect.stringMatching(/^down/));
    await expect(store.find(id)).rejects.toThrow();
    await expect.poll(() => states.at(-1), { timeout: 30_000 }).toBe('up');
  }
  expect(warnings).toEqual([]);
  expect((await store.find(id)).grant).toBeDefined();
  expect(await store.revoke(id, 'web')).toBe(true);
  if (what.startsWith('hangs')) {
    old.resume();
    await follows();
  }
  expect((await store.find(id)).grant).toBeUndefined();
  await expectOneReconnection(states, redis.servers);
});

test('Sentinel: many attempts to connect to a lost master leave no listeners behind', async () => {
  const { redis, store, states } = await started();
  await answers(store);
  const warned: string[] = [];
  const note = ({ name }: Error) => void warned.push(name);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  for (const { pid } of redis.servers) process.kill(pid, 'SIGKILL');
  // Node.js warns about more than ten listeners.
  const failed = () => states.filter((state) => state.startsWith('down')).length > 40;
  await waitFor(failed, { what: 'many attempts', deadline: 60_000 });
  expect(warned).toEqual([]);
});

test('Sentinel: too few sentinels are a warning, in the log and in check', async () => {
  const { redis, store } = await started();
  const [one, ...others] = redis.sentinels;
  await Promise.all(others.map((sentinel) => sentinel.stop()));
  await ask(one?.port ?? 0, 'SENTINEL RESET main');
  await answers(store);
  const warnings: string[] = [];
  const onWarning = (warning: string) => void warnings.push(warning);
  const { store: later } = storeAt(redis.url, { timeoutMs: 250, onWarning });
  await answers(later);
  const expected = /^too few sentinels: 1 instead/;
  await expect.poll(() => warnings.length, { message: 'the warning' }).toBeGreaterThan(0);
  expect(warnings).toEqual([expect.stringMatching(expected)]);
  expect(await later.check()).toMatchObject({
    store: 'sentinel',
    masters: 1,
    replicas: 2,
    warning: expect.stringMatching(expected),
  });
});

const PASSWORD = 'data-pa55word';
const SENTINEL_PASSWORD = 'sentinel-pa55word';

const withPasswords: SentinelOptions = {
  args: ['--requirepass', PASSWORD, '--masterauth', PASSWORD],
  sentinelLines: [`sentinel auth-pass main ${PASSWORD}`, `requirepass ${SENTINEL_PASSWORD}`],
};
const login = (url: string) => url.replace('//', `//:${PASSWORD}@`);

test.each<[string, SentinelOptions, (url: string) => Partial<RedisStoreOptions>, RegExp]>([
  [
    'no password',
    withPasswords,
    (url) => ({ url: login(url) }),
    /set POSTERN_STORE_SENTINEL_PASSWORD/,
  ],
  [
    'a wrong password',
    withPasswords,
    (url) => ({ url: login(url), sentinel: { password: 'other' } }),
    /rejects POSTERN_STORE_SENTINEL_/,
  ],
  [
    'another name',
    {},
    (url) => ({ url: url.replace('/main', '/other') }),
    /do not know the master/,
  ],
  ['no TLS', {}, (url) => ({ url: url.replace('redis', 'rediss') }), /No sentinel answers|TLS/],
])(
  'Sentinel: %s for the sentinels is reported with this reason',
  async (_, options, access, expected) => {
    const { store, states } = await started(options, access);
    await expect.poll(() => whyOf(store), { message: 'the reason' }).toMatch(expected);
    expect(states.join('\n')).toMatch(expected);
    expect(states.join('\n')).not.toMatch(/127\.0\.0\.1|pa55word/);
  },
);

test('Sentinel: a failover that is reported while the store connects does not end its attempts', async () => {
  const master = await forTest(startRedis());
  await forTest(startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] }));
  const { port, running } = await startSentinel('redis', master.port, []);
  onTestFinished(async () => void (await running.stop()));
  const sentinel = { ...master, port };
  const says = (command: string, expected: string) =>
    expect.poll(() => tell(sentinel, command)).toContain(expected);
  await says('INFO sentinel', 'slaves=1');

  const proxy = await startHoldingProxy(port);
  const url = `redis+sentinel://127.0.0.1:${proxy.port}/main/0`;
  const { store } = storeAt(url, { timeoutMs: 1_000 });
  await answers(store);
  await says('CLIENT LIST', ' sub=1 ');
  const listener = new Client({ port });
  onTestFinished(() => listener.disconnect());
  const switched = once(listener, 'message');
  await listener.subscribe('+switch-master');
  proxy.hold(/get-master-addr/);
  await master.kill();
  await waitFor(() => proxy.isHolding(), { what: 'the store to ask for the master' });
  // The sentinel promotes a replica only if it has asked it within 5 s.
  await says('SENTINEL FAILOVER main', '+OK');
  await switched;
  proxy.release();
  await answers(store);
});
