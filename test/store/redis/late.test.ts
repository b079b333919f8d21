import { spawnSync } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createRedisStore } from '../../../service/store/redis/redis.ts';
import { startRedis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';
import { grantAt, newId } from '../grants.ts';
import { startHoldingProxy } from '../holding-proxy.ts';
import { observerOf } from '../observer.ts';
import { answers, openRedis, tell } from '../open-redis.ts';

const TIMEOUT_MS = 100;

/** Ends when Redis has handled an MGET, but not within the time limit. */
const UNTIL_MGET = `
const socket = require('node:net').connect(process.argv[1], '127.0.0.1');
const ask = () => socket.write('INFO commandstats\\r\\n');
let text = '';
socket.on('data', (data) => {
  text += data;
  if (text.includes('cmdstat_mget') && performance.now() > ${2 * TIMEOUT_MS}) process.exit();
  if (text.endsWith('\\r\\n')) ask();
});
ask();
`;

async function started(options: { hold?: boolean } = {}) {
  const redis = await startRedis();
  const proxy = await startHoldingProxy(redis.port);
  const late: string[] = [];
  const store = createRedisStore({
    url: `redis://127.0.0.1:${options.hold ? proxy.port : redis.port}/0`,
    prefix: 'postern:',
    timeoutMs: TIMEOUT_MS,
    observer: observerOf({ late: (cause) => void late.push(cause) }),
  });
  const patient = await openRedis(redis);
  onTestFinished(async () => {
    await Promise.all([store.close(), patient.close()]);
    await redis.stop();
  });
  const id = newId();
  await patient.issue([[id, grantAt(Date.now())]]);
  await answers(store);
  // The checks use MGET, too.
  await tell(redis, 'CONFIG RESETSTAT');
  late.length = 0;
  return { redis, proxy, store, id, late };
}

test('late: a reply that arrived while the event loop was blocked counts, and the metric names the loop', async () => {
  const { redis, store, id, late } = await started();
  const found = store.find(id);
  // The command is sent in this turn.
  await turn();
  const { status } = spawnSync(process.execPath, ['-e', UNTIL_MGET, String(redis.port)]);
  expect(status).toBe(0);
  expect(await found).toBeDefined();
  await turn();
  expect(late).toEqual(['loop']);
});

test('late: a reply that does not arrive in time fails the look-up, and the metric names the store', async () => {
  const { proxy, store, id, late } = await started({ hold: true });
  proxy.hold(/mget/i);
  const unhandled = vi.fn();
  const found = store.find(id).catch(unhandled);
  await waitFor(() => late.length > 0, { what: 'the time limit' });
  await found;
  expect(unhandled).toHaveBeenCalledOnce();
  expect(late).toContain('store');
  expect(late).not.toContain('loop');
});
