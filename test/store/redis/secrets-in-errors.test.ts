import { expect, onTestFinished, test } from 'vitest';
import { openEventStore } from '../../../service/store/open.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { forTest } from '../../support/for-test.ts';
import { type Answer, bulk, list, startFakeRedis } from '../../support/store/fake-redis.ts';
import { from, issueTo, newId } from '../../support/store/grants.ts';
import { storeOfService } from '../../support/store/open-redis.ts';

// No text of a server is in the log, in /readyz or in an error: it may quote a password or a record.

const PASSWORD = 'PASSWORD-OF-REDIS';
const SENTINEL_PASSWORD = 'PASSWORD-OF-SENTINELS';
const RECORD = 'SECRET-OF-RECORD';
/** A word that looks like the code of an error, and one that is a name. */
const WORD = 'TOPSECRET';
const SECRETS = new RegExp([PASSWORD, SENTINEL_PASSWORD, RECORD, WORD].join('|'), 'i');

function opened(url: string) {
  const options = { replicas: 1, sentinel: { password: SENTINEL_PASSWORD } };
  const { store, log, lines, parsed, readyz } = storeOfService(url, options);
  const events = openEventStore({ url, prefix: 'postern:', ...options });
  onTestFinished(() => events.close());
  const said: string[] = [];
  /** Everything that a person can see after each operation has been tried. */
  async function shown(): Promise<string> {
    const id = newId();
    const outcomes = await Promise.allSettled([
      issueTo(store, { client: RECORD, covers: `/download/${RECORD}` }),
      store.find(id),
      store.find(id, 'timed'),
      store.redeem(id, from('192.0.2.1'), true),
      store.revoke(id, RECORD),
      store.revokeAll(RECORD, { subject: 'u' }),
      store.list(RECORD, {}, 10),
      store.prolong(id, RECORD, Date.now() + 1000),
      store.revokeExternal(id, { client: 'web', max: 1 }),
      store.check(),
      events.add([{ id, body: RECORD, cause: 'application' }]),
      events.take(1),
    ]);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') continue;
      const error: Error = outcome.reason;
      said.push(error.message, JSON.stringify(error, Object.getOwnPropertyNames(error)));
      log.error({ err: error, reason: error.message }, 'an operation failed');
    }
    said.push(JSON.stringify(await readyz()));
    return [...said, ...lines].join('\n');
  }
  return { shown, parsed };
}

const withLogin = `:${PASSWORD}@`;

// Redis quotes the arguments of a command that it does not know.
test.each([
  ['AUTH', ['AUTH', 'HELLO'], `redis+sentinel://${withLogin}`, '/main', /is not a sentinel/],
  ['AUTH', ['AUTH', 'HELLO'], `redis://${withLogin}`, '/0', /ERR to AUTH/],
  ['SET', ['SET'], 'redis://', '/0', /ERR to SET/],
  ['EVAL', ['EVAL'], 'redis://', '/0', /ERR to EVAL/],
])('Redis errors: nothing that a real server without %s quotes is shown', async (...row) => {
  const [, commands, start, path, expected] = row;
  const args = commands.flatMap((name) => ['--rename-command', name, '']);
  const { port } = await forTest(startRedis({ args }));
  const { shown } = opened(`${start}127.0.0.1:${port}${path}`);
  // On a busy machine the first replies come too late, and an operation fails without them.
  await expect.poll(shown).toMatch(expected);
  const all = await shown();
  expect(all).not.toMatch(SECRETS);
  expect(all).not.toMatch(/\\*"v\\*"/);
});

const quoted = (command: readonly string[]) =>
  `with args beginning with: ${command.map((word) => `'${word}'`).join(' ')}`;

/** As Redis answers a login: the other commands follow. */
const loggedIn =
  (answer: Answer): Answer =>
  (command) => {
    const name = command[0]?.toLowerCase() ?? '';
    if (name === 'hello') return `-ERR unknown command 'HELLO', ${quoted(command)}\r\n`;
    return ['auth', 'select', 'client'].includes(name) ? '+OK\r\n' : answer(command);
  };

const info = [
  ...['redis_version:7.2.0', 'role:master', 'master_replid:abc', 'connected_slaves:1'],
  'maxmemory_policy:noeviction',
];

/** Accepts every write, so that only some replies are hostile. */
const healthy =
  (answer: Answer): Answer =>
  (command) => {
    const [name = ''] = command;
    const own = answer(command);
    if (own !== '') return own;
    if (name === 'info') return bulk(info.join('\r\n'));
    return ['wait', 'pexpire'].includes(name) ? ':1\r\n' : name === 'eval' ? '*0\r\n' : '+OK\r\n';
  };

const always = (text: string): Answer => loggedIn((command) => `${text} ${quoted(command)}\r\n`);
const only = (name: string, reply: string): Answer =>
  loggedIn(healthy((command) => (command[0] === name ? reply : '')));

const hostile: Record<string, { answer: Answer; greeting?: string }> = {
  'AUTH with its arguments': { answer: (command) => `-ERR unknown, ${quoted(command)}\r\n` },
  'a code that is a secret': { answer: (command) => `-${WORD} ${quoted(command)}\r\n` },
  'a code that is a secret, after the login': { answer: always(`-${WORD}`) },
  ...Object.fromEntries(
    ['ERR', 'WRONGPASS', 'NOAUTH', 'NOPERM', 'READONLY', 'LOADING', 'OOM', 'CLUSTERDOWN'].map(
      (code) => [code, { answer: always(`-${code} ${WORD}`) }],
    ),
  ),
  'MOVED to a name': { answer: loggedIn(() => `-MOVED 1 ${WORD}.invalid:1\r\n`) },
  'ASK to a name': { answer: loggedIn(() => `-ASK 1 ${WORD}.invalid:1\r\n`) },
  'a greeting that is not Redis': { answer: always('-ERR'), greeting: `${PASSWORD}\r\n` },
  'a reply that is not Redis': { answer: loggedIn((c) => `?${WORD} ${quoted(c)}\r\n`) },
  'a list of secrets for EVAL': { answer: only('eval', list(bulk(WORD), bulk(PASSWORD))) },
  'a secret for EVAL': { answer: only('eval', bulk(WORD)) },
  'a secret as the version': { answer: only('info', bulk(`redis_version:${WORD}`)) },
  'an old version with a secret': { answer: only('info', bulk(`redis_version:6.${WORD}`)) },
  'a secret as the policy': {
    answer: only('info', bulk([...info.slice(0, -1), `maxmemory_policy:${WORD}`].join('\r\n'))),
  },
  'a secret for WAIT': { answer: only('wait', `-ERR ${WORD}\r\n`) },
  'a record with a secret': { answer: only('mget', list(bulk(`{"v":"${WORD}"}`))) },
  'a record that is a secret': { answer: only('mget', list(bulk(WORD))) },
  'a name of a secret as the master': {
    answer: loggedIn(([name]) =>
      name === 'sentinel' ? list(bulk(`${WORD}.invalid`), bulk('1')) : `-ERR ${WORD}\r\n`,
    ),
  },
  'names of secrets as nodes': {
    answer: loggedIn(([name]) =>
      name === 'cluster'
        ? list(list(':0\r\n', ':16383\r\n', list(bulk(`${WORD}.invalid`), ':1\r\n')))
        : `-ERR ${WORD}\r\n`,
    ),
  },
};

const schemes = ['redis://', 'redis+sentinel://', 'redis+cluster://'];
const cases = Object.entries(hostile).flatMap(([name, how]) =>
  schemes.map((scheme) => ({ name, scheme, ...how })),
);

test('Redis errors: nothing of a server that answers with a secret is shown', async () => {
  // A few at a time, so that replies arrive within the time limit.
  for (let i = 0; i < cases.length; i += 15) {
    const some = cases.slice(i, i + 15).map(async ({ name, scheme, answer, greeting }) => {
      const { port } = await startFakeRedis(answer, greeting);
      const path = scheme === 'redis+sentinel://' ? '/main' : '';
      const { shown, parsed } = opened(`${scheme}:${PASSWORD}@127.0.0.1:${port}${path}`);
      await shown();
      await waitFor(() => parsed().some(({ redis }) => redis !== undefined), { what: 'a line' });
      expect(await shown(), `${name}, at ${scheme}`).not.toMatch(SECRETS);
    });
    await Promise.all(some);
  }
});
