import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { type Redis, startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { selfSigned } from '../../support/certificate.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { grantAt, issueTo, newId } from '../grants.ts';
import { storeAt, storeOfService, tell, whyOf } from '../open-redis.ts';
import { startRewritingProxy } from '../proxies.ts';

const PASSWORD = 'pa55word-of-redis';

const started = (...args: string[]) => forTest(startRedis({ args }));

async function withUser(rights: string): Promise<string> {
  const redis = await started();
  await tell(redis, `ACL SETUSER app on >${PASSWORD} ${rights}`);
  return redis.url.replace('//', `//app:${PASSWORD}@`);
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

const addSlots = (node: Redis) => tell(node, 'CLUSTER ADDSLOTSRANGE 0 16383');

async function isOk(node: Redis): Promise<void> {
  const ok = async () => (await tell(node, 'CLUSTER INFO')).includes('cluster_state:ok');
  await waitFor(ok, { what: 'the cluster' });
}

async function nodeWithoutSlots(): Promise<string> {
  const enabled = ['--cluster-enabled', 'yes'];
  const [redis, other] = [await started(...enabled), await started(...enabled)];
  await addSlots(other);
  await tell(redis, `CLUSTER MEET 127.0.0.1 ${other.port}`);
  await isOk(redis);
  return redis.url;
}

const urlOf = async (...args: string[]) => (await started(...args)).url;
const MAY_NOT_SET = /lacks a permission \(NOPERM to SET\)/;

test.each<[string, () => Promise<string>, RegExp]>([
  [
    'a wrong password',
    async () => (await urlOf('--requirepass', 'another')).replace('//', `//:${PASSWORD}@`),
    /rejects the user name or the password.*WRONGPASS/,
  ],
  ['no password', () => urlOf('--requirepass', PASSWORD), /requires a password.*NOAUTH/],
  ['a user that may not write', () => withUser('~* +@all -@write'), MAY_NOT_SET],
  ['a user of other keys', () => withUser('~other:* +@all'), MAY_NOT_SET],
  ['a replica', replica, /read-only replica.*READONLY/],
  [
    'a node without slots',
    () => urlOf('--cluster-enabled', 'yes'),
    /node of a cluster.*CLUSTERDOWN/,
  ],
  ['a node whose slots another one has', nodeWithoutSlots, /node of a cluster.*MOVED/],
  ['a full Redis', () => urlOf('--maxmemory', '1'), /out of memory \(OOM to SET\)/],
  ['a missing database', async () => (await urlOf()).replace('/0', '/99'), /ERR to SELECT/],
  ['no TLS at the port', async () => (await urlOf()).replace(':', 's:'), /does not answer in TLS/],
  [
    'no TLS to a port with it',
    async () => `redis://127.0.0.1:${await tlsPort()}/0`,
    /is it a TLS port, for rediss:/,
  ],
  [
    'a certificate that nobody trusts',
    async () => `rediss://localhost:${await tlsPort()}/0`,
    /TLS to Redis fails \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
  ],
  [
    'nothing on the port',
    async () => `redis://127.0.0.1:${(await freePorts(1))[0]}/0`,
    /^Redis does not answer$/,
  ],
])('Redis errors: %s is reported in the log and by /readyz', async (_, at, expected) => {
  const url = await at();
  const { lines, parsed, readyz } = storeOfService(url);
  const said = async () => {
    const reply = await readyz();
    return expected.test(reply.detail) && reply;
  };
  const { status, detail } = await waitFor(said, { what: 'the reason' });
  expect(status).toBe(503);
  expect(detail).not.toMatch(/127\.0\.0\.1|localhost|\d{4,}/);
  const last = () => parsed().findLast(({ redis }) => redis !== undefined);
  const line = await waitFor(last, { what: 'the line' });
  expect(line).toMatchObject({ level: 50, redis: new URL(url).host });
  expect(line.msg).toMatch(new RegExp(expected.source.replace('$', '')));
  expect(lines.join('')).not.toContain(PASSWORD);
  // Once, however often it is checked.
  await readyz();
  expect(parsed().filter(({ msg }) => msg === line.msg)).toHaveLength(1);
});

// For an unknown command, Redis quotes the arguments in its reply.
test.each([
  ['has no SET', () => urlOf('--rename-command', 'SET', ''), /ERR to SET/],
  ['has no EVAL', () => urlOf('--rename-command', 'EVAL', ''), /ERR to EVAL/],
  ['may not use SET', () => withUser('~* +@all -set'), /NOPERM to SET/],
])('Redis errors: no part of a record is logged if Redis %s', async (_, at, expected) => {
  const { store, log, lines, readyz } = storeOfService(await at());
  await waitFor(async () => expected.test((await readyz()).detail), { what: 'the reason' });
  const secret = 'secret-of-the-record';
  const id = newId();
  const grant = grantAt(Date.now(), { client: secret, covers: `/download/${secret}` });
  const error = await store.issue([[id, grant]]).catch((cause: Error) => cause);
  log.error({ err: error, reason: (error as Error).message }, 'issuing failed');
  expect((error as Error).message).toMatch(/ERR to EVAL/);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(secret);
  expect(lines.join('')).not.toMatch(new RegExp(`${secret}|${id}|"v"|\\\\"v`));
});

test('Redis errors: /readyz is 503 if the user lacks a command that only some requests need', async () => {
  const { readyz } = storeOfService(await withUser('~* +@all -mget -rename'));
  const expected = /lacks a permission \(NOPERM to MGET, RENAME\)/;
  await waitFor(async () => expected.test((await readyz()).detail), { what: 'the reason' });
  expect((await readyz()).status).toBe(503);
});

test.each([0, 1])(
  'docs/operate/redis.md: the user with the least rights can use database %i',
  async (database) => {
    const page = await readFile(join(projectRoot, 'docs/operate/redis.md'), 'utf8');
    const [, rights = ''] = /^user postern on ><password> ([^`]*)^```$/m.exec(page) ?? [];
    const [, other = ''] = /^With a database other than 0, it also needs `(.*?)`/m.exec(page) ?? [];
    const all = database === 0 ? rights : `${rights} ${other}`;
    const url = await withUser(all.replaceAll(/\s+/g, ' ').trim());
    const { store, readyz } = storeOfService(url.replace(/0$/, String(database)));
    await waitFor(async () => (await readyz()).status === 200, { what: 'Redis' });
    const counts = { masters: 1, answering: 1, replicas: 0, wanted: 0 };
    expect(await store.check()).toEqual({ store: 'server', ...counts });
    expect(await store.find(await issueTo(store, { subject: 'u' }))).toBeDefined();
    expect(await store.revokeSubject('web', 'u')).toBe(1);
  },
);

/** A store on a real Redis that reports another version of the same length. */
async function reporting(version: string, topology = '') {
  const [port = 0] = await freePorts(1);
  const announced = ['--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', String(port)];
  const enabled = ['--cluster-enabled', 'yes', ...announced];
  const redis = await started(...(topology === '' ? [] : enabled));
  if (topology !== '') {
    await addSlots(redis);
    await isOk(redis);
  }
  const rewrite = (reply: string) =>
    reply.replace(/(redis_version:)(\S+)/, (_, name, real: string) => {
      return name + version.padEnd(real.length, '0');
    });
  const proxy = await startRewritingProxy(redis.port, rewrite, port);
  return storeAt(`redis${topology}://127.0.0.1:${proxy.port}`);
}

test.each([
  ['a server', ''],
  ['a cluster', '+cluster'],
])('%s of Redis before 7.0 is refused with its version', async (_, topology) => {
  const { store, states } = await reporting('6.2', topology);
  const refusal = expect.stringMatching(/^down Redis 6\.2\S* is too old: Postern needs Redis 7\.0/);
  await waitFor(() => states.some((state) => state.includes('too old')), { what: 'the refusal' });
  expect(states).toContainEqual(refusal);
  expect(states).not.toContain('up');
  await waitFor(async () => (await whyOf(store)).includes('too old'), { what: 'the reason' });
});

test.each([
  ['7.0', ''],
  ['10.', ''],
  ['7.0', '+cluster'],
])('Redis %s is used: %s', async (version, topology) => {
  const { store, states } = await reporting(version, topology);
  await waitFor(() => states.includes('up'), { what: 'the connection' });
  expect(await store.find(await issueTo(store))).toBeDefined();
});
