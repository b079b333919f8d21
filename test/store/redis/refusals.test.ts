import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { textOf } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { selfSigned } from '../../support/certificate.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { startFakeCluster, startFakeServer } from '../../support/store/fake-redis.ts';
import { from, issueTo, newId } from '../../support/store/grants.ts';
import { answers, storeAt, storeOfService, tell, whyOf } from '../../support/store/open-redis.ts';

const PASSWORD = 'pa55word-of-redis';

const started = (...args: string[]) => forTest(startRedis({ args }));

const shared = await startRedis();
afterAll(shared.stop);

async function withUser(rights: string): Promise<string> {
  await tell(shared, `ACL SETUSER app reset on >${PASSWORD} ${rights}`);
  return shared.url.replace('//', `//app:${PASSWORD}@`);
}

async function tlsPort(): Promise<number> {
  const folder = await folderForTest();
  const { certificate, key } = selfSigned('localhost');
  const [file, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await Promise.all([writeFile(file, certificate), writeFile(keyFile, key)]);
  const [port = 0] = await freePorts(1);
  const files = ['--tls-cert-file', file, '--tls-key-file', keyFile, '--tls-auth-clients', 'no'];
  await started('--tls-port', String(port), ...files);
  return port;
}

async function replica(): Promise<string> {
  const [redis, master] = [await started(), await started()];
  await tell(redis, `REPLICAOF 127.0.0.1 ${master.port}`);
  return redis.url;
}

async function nodeWithoutSlots(): Promise<string> {
  const enabled = ['--cluster-enabled', 'yes'];
  const [redis, other] = [await started(...enabled), await started(...enabled)];
  await tell(other, 'CLUSTER ADDSLOTSRANGE 0 16383');
  await tell(redis, `CLUSTER MEET 127.0.0.1 ${other.port}`);
  await expect.poll(() => tell(redis, 'CLUSTER INFO')).toContain('cluster_state:ok');
  return redis.url;
}

const urlOf = async (...args: string[]) => (await started(...args)).url;
const OTHER_PASSWORD = ['--requirepass', 'another'];
const AS_CLUSTER = ['--cluster-enabled', 'yes'];
const asCluster = (url: string) =>
  url.replace('redis://', `redis+cluster://:${PASSWORD}@`).replace('/0', '');
const asSentinel = (url: string) =>
  url.replace('redis://', 'redis+sentinel://').replace('/0', '/main');
const withPassword = (url: string) => url.replace('//', `//:${PASSWORD}@`);
const onPort = async (port: number | undefined | Promise<number>, scheme = 'redis') =>
  `${scheme}://localhost:${await port}/0`;
const MAY_NOT_SET = /lacks a permission \(NOPERM to SET\)/;

test.each<[string, () => Promise<string>, RegExp]>([
  [
    'a wrong password',
    async () => withPassword(await urlOf(...OTHER_PASSWORD)),
    /rejects the user name or the password.*WRONGPASS/,
  ],
  ['no password', () => urlOf('--requirepass', PASSWORD), /requires a password.*NOAUTH/],
  ['a user that may not write', () => withUser('~* +@all -@write'), MAY_NOT_SET],
  ['a user of other keys', () => withUser('~other:* +@all'), MAY_NOT_SET],
  ['a replica', replica, /read-only replica.*READONLY/],
  ['a node without slots', () => urlOf(...AS_CLUSTER), /of a cluster.*CLUSTERDOWN/],
  ['a node whose slots another one has', nodeWithoutSlots, /node of a cluster.*MOVED/],
  ['a full Redis', () => urlOf('--maxmemory', '1'), /out of memory \(OOM to SET\)/],
  ['no sentinel', async () => asSentinel(shared.url), /that POSTERN_STORE names is not a sentinel/],
  ['no cluster', async () => asCluster(shared.url), /not a node of a cluster: use redis:/],
  [
    'a wrong password of a cluster',
    async () => asCluster(await urlOf(...AS_CLUSTER, ...OTHER_PASSWORD)),
    /WRONGPASS/,
  ],
  ['a missing database', async () => shared.url.replace('/0', '/99'), /ERR to SELECT/],
  ['no TLS at the port', async () => shared.url.replace(':', 's:'), /does not answer in TLS/],
  ['no TLS to a TLS port', () => onPort(tlsPort()), /is it a TLS port/],
  [
    'an untrusted certificate',
    () => onPort(tlsPort(), 'rediss'),
    /\(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
  ],
  ['nothing', async () => onPort((await freePorts(1))[0]), /^Redis does not answer$/],
])('Redis errors: %s is reported in the log and by /readyz', async (_, at, expected) => {
  const url = await at();
  // The first reason can be another one: on a busy machine, the server may not answer in time.
  const { lines, parsed, readyz } = storeOfService(url);
  let reply = await readyz();
  const said = async () => {
    reply = await readyz();
    return expected.test(reply.detail) && reply;
  };
  const { status, detail } = await waitFor(said, { what: 'the reason', saw: () => reply });
  expect(status).toBe(503);
  expect(detail).not.toMatch(/127\.0\.0\.1|localhost|\d{4,}/);
  const logged = new RegExp(expected.source.replace('$', ''));
  const find = () => parsed().find(({ redis, msg }) => redis !== undefined && logged.test(msg));
  const line = await waitFor(find, { what: 'the line', saw: () => lines.join('') });
  expect(line).toMatchObject({ level: 50, redis: new URL(url).host });
  expect(lines.join('')).not.toContain(PASSWORD);
  // Once, however often it is checked.
  await readyz();
  expect(parsed().filter(({ msg }) => msg === line.msg)).toHaveLength(1);
});

test('Redis errors: /readyz is 503 if the user lacks a command that only some requests need', async () => {
  const { readyz } = storeOfService(await withUser('~* +@all -mget -rename'));
  const expected = /lacks a permission \(NOPERM to MGET, RENAME\)/;
  await waitFor(async () => expected.test((await readyz()).detail), {
    what: 'the reason',
    saw: readyz,
  });
  expect((await readyz()).status).toBe(503);
});

test('Redis errors: a permission that a script lacks, and a script of another program, have a reason', async () => {
  const { store } = storeAt(await withUser('~* +@all -zadd -hset'));
  const isUsed = () => store.find(newId()).then(Boolean, () => false);
  await waitFor(isUsed, { what: 'the connection' });
  const lacking = (command: string) => ({
    shown: expect.stringContaining(`lacks a permission (NOPERM to ${command})`),
    message: expect.stringMatching(` \\(at 127\\.0\\.0\\.1:${shared.port}\\)$`),
  });
  await expect(issueTo(store)).rejects.toMatchObject(lacking('ZADD'));
  const own = storeAt(shared.url).store;
  await answers(own);
  const id = await issueTo(own, { uses: { max: 1, resumeFor: 60 } });
  const redeemed = store.redeem(id, from('192.0.2.1'), true);
  await expect(redeemed).rejects.toMatchObject(lacking('HSET'));

  await tell(shared, 'CONFIG SET busy-reply-threshold 1');
  const busy = tell(shared, 'EVAL "while true do end" 0');
  await expect.poll(() => whyOf(own), { message: 'BUSY' }).toContain('SCRIPT KILL');
  await tell(shared, 'SCRIPT KILL');
  await busy;
});

test('Redis errors: a revocation of many that lacks a permission fails without a repetition', async () => {
  const { store } = storeAt(await withUser('~* +@all -zrem'));
  await waitFor(() => store.find(newId()).then(Boolean, () => false), { what: 'the connection' });
  await issueTo(store, { client: 'other', subject: 'u' });
  await tell(shared, 'CONFIG RESETSTAT');
  const revoking = store.revokeAll('other', { subject: 'u' });
  await expect(revoking).rejects.toMatchObject({
    shown: expect.stringContaining('(NOPERM to ZREM)'),
    revoked: 1,
  });
  expect(await tell(shared, 'INFO commandstats')).toMatch(/cmdstat_zrem:.*rejected_calls=1,/);
});

test.each([0, 1])(
  'docs/operate/redis.md: the least rights suffice for database %i',
  async (database) => {
    const page = textOf('docs/operate/redis.md');
    const [, rights = ''] = /^user postern on ><password> ([^`]*)^```$/m.exec(page) ?? [];
    const [, other = ''] = /^With a database other than 0, it also needs `(.*?)`/m.exec(page) ?? [];
    const all = database === 0 ? rights : `${rights} ${other}`;
    const url = await withUser(all.replaceAll(/\s+/g, ' ').trim());
    const { store, readyz } = storeOfService(url.replace(/0$/, String(database)));
    await expect.poll(async () => (await readyz()).status, { message: 'Redis' }).toBe(200);
    const counts = { masters: 1, answering: 1, replicas: 0, wanted: 0 };
    expect(await store.check()).toEqual({ store: 'server', ...counts });
    expect((await store.find(await issueTo(store, { subject: 'u' }))).grant).toBeDefined();
    expect(await store.revokeAll('web', { subject: 'u' })).toBe(1);
  },
);

/** A store on a server or a node that reports this version. */
async function reporting(version: string, start: typeof startFakeServer) {
  const { url, servers } = await start();
  for (const { state } of servers) {
    const { answer } = state;
    state.answer = (command) => answer(command)?.replace('version:7.2.0', `version:${version}`);
  }
  return storeAt(url);
}

test.each([
  ['a server', startFakeServer],
  ['a cluster', startFakeCluster],
])('%s of Redis before 7.0 is refused with its version', async (_, start) => {
  const { store, states } = await reporting('6.2.9', start);
  const refusal = expect.stringMatching(/^down Redis 6\.2\.9 is too old: Postern needs Redis 7\.0/);
  await waitFor(() => states.some((state) => state.includes('too old')), {
    what: 'the refusal',
    saw: () => states,
  });
  expect(states).toContainEqual(refusal);
  expect(states).not.toContain('up');
  await expect.poll(() => whyOf(store), { message: 'the reason' }).toContain('too old');
});

test.each(['7.0.0', '10.00'])('Redis %s is used', async (version) => {
  for (const start of [startFakeServer, startFakeCluster]) {
    const { states } = await reporting(version, start);
    await expect.poll(() => states, { message: 'the connection' }).toContain('up');
  }
});
