import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAttempt, createState } from '../../service/store/connection/connection.ts';
import { failureOf } from '../../service/store/connection/failure.ts';
import { parseStoreUrl, shownHosts } from '../../service/store/connection/url.ts';
import { StoreUnavailable } from '../../service/token/store.ts';

function started() {
  const writes: Array<() => void> = [];
  const onState = vi.fn();
  const state = createState(
    { url: 'redis://127.0.0.1:1', timeoutMs: 100, onState },
    () => new Promise<void>((resolve) => writes.push(resolve)),
    {
      failureOf: (error) => error as never,
      isKnown: () => false,
    },
  );
  onTestFinished(() => state.close());
  return { state, writes, onState };
}

test('connection: a check of a lost connection does not count for the next one', async () => {
  const { state, writes, onState } = started();
  const late = state.check();
  state.down();
  const next = state.check();
  writes[0]?.();
  await late;
  expect(onState.mock.calls).toEqual([['down', undefined]]);
  expect(writes).toHaveLength(2);
  writes[1]?.();
  await next;
  expect(onState.mock.calls).toEqual([['down', undefined], ['up']]);
});

test('connection: a reply that is older than a refusal does not end the refusal', async () => {
  const { state, writes } = started();
  const why = new StoreUnavailable('READONLY');
  const before = state.check();
  writes[0]?.();
  state.exclude(why);
  await before;
  expect(() => state.assertMaster()).toThrow(why);
  const after = state.check();
  writes[1]?.();
  await after;
  expect(() => state.assertMaster()).not.toThrow();
});

describe('attempt', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
  });

  /** An attempt, and the names of the commands that were sent. */
  function begun(timeoutMs = 1000) {
    const sent: string[] = [];
    const attempt = createAttempt(timeoutMs);
    attempt.begin();
    const wait = (name: string, keys = 1) =>
      attempt.wait(Array(keys).fill('key'), async () => void sent.push(name));
    return { sent, wait };
  }

  test.each([
    [250, 1000],
    [100, 100],
  ])('attempt: a command waits at most %d ms with a limit of %d ms', async (most, limit) => {
    const { sent, wait } = begun(limit);
    void wait('a');
    await vi.advanceTimersByTimeAsync(most - 1);
    void wait('b');
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual(['a', 'b']);
    void wait('c');
    expect(sent).toEqual(['a', 'b', 'c']);
  });

  test('attempt: at most 1000 keys wait', () => {
    const { sent, wait } = begun();
    void wait('a', 998);
    void wait('b', 3);
    void wait('c', 2);
    void wait('d');
    expect(sent).toEqual(['b', 'd']);
  });
});

const SECRET = 'pa55word';

const system = (code: string, syscall?: string, more: object = {}) =>
  Object.assign(new Error(`getaddrinfo ${SECRET}`), { code, syscall, ...more });

test.each([
  [new Error('Command timed out'), 'no reply within POSTERN_STORE_TIMEOUT_MS'],
  [new Error(`Command queue state error. Last reply: ${SECRET}`), 'no valid reply'],
  [system('ENOTFOUND', 'getaddrinfo', { hostname: SECRET }), 'getaddrinfo ENOTFOUND'],
  [system('ECONNREFUSED', 'connect', { address: '10.0.0.1', port: 9 }), 'ECONNREFUSED 10.0.0.1:9'],
  [system('EACCES', 'connect', { address: `/run/${SECRET}` }), 'connect EACCES'],
  [system('CERT_HAS_EXPIRED'), 'TLS to Redis fails (CERT_HAS_EXPIRED)'],
])('failure: %s is logged without the text of a server', (error, expected) => {
  const { message, shown } = failureOf(error);
  expect(message).toContain(expected);
  expect(`${message}${shown}`).not.toContain(SECRET);
  expect(shown).not.toContain('10.0.0.1');
});

const ONE = { kind: 'server', isTls: false, database: 0 };
const SENTINELS = { ...ONE, kind: 'sentinel', master: 'main' };
const CLUSTER = { ...ONE, kind: 'cluster' };

const at = (port: number, ...hosts: string[]) => hosts.map((host) => ({ host, port }));

test.each([
  ['memory:', { kind: 'memory', addresses: [], isTls: false, database: 0 }],
  ['redis://redis.example', { ...ONE, addresses: at(6379, 'redis.example') }],
  [
    'rediss://:p@ss%40@[::1]:6380/15',
    { ...ONE, addresses: at(6380, '::1'), isTls: true, password: 'p@ss@', database: 15 },
  ],
  [
    'redis+sentinel://a,b:26380,[::1]:26381/main',
    { ...SENTINELS, addresses: [...at(26_379, 'a'), ...at(26_380, 'b'), ...at(26_381, '::1')] },
  ],
  [
    'rediss+sentinel://user:pa%2Css@a,b/my-master.1/3',
    {
      ...{ ...SENTINELS, addresses: at(26_379, 'a', 'b'), isTls: true, master: 'my-master.1' },
      ...{ username: 'user', password: 'pa,ss', database: 3 },
    },
  ],
  [
    'redis+unix://user:p%40ss@/run/redis.sock',
    {
      ...{ kind: 'server', addresses: [], path: '/run/redis.sock', isTls: false },
      ...{ username: 'user', password: 'p@ss', database: 0 },
    },
  ],
  ['redis+cluster://a,b:7000/', { ...CLUSTER, addresses: [...at(6379, 'a'), ...at(7000, 'b')] }],
  [
    'rediss+cluster://user:pass@a',
    { ...CLUSTER, addresses: at(6379, 'a'), isTls: true, username: 'user', password: 'pass' },
  ],
])('a store URL: %s', (text, parsed) => {
  expect(parseStoreUrl(text)).toStrictEqual(parsed);
});

test('hosts are shown without credentials', () => {
  const parsed = parseStoreUrl('redis+sentinel://user:secret@a,[::1]:1/main');
  expect('kind' in parsed && shownHosts(parsed)).toBe('a:26379,[::1]:1');
});
