import { StoreUnavailable, Unacknowledged } from '../../token/store.ts';
import {
  type RedisStoreOptions,
  type Reply,
  replyOrThrow,
  type SendTo,
  type Value,
} from '../connection/connection.ts';
import { codeOf, isOutOfStep, NO_MASTER } from '../connection/failure.ts';
import { connect } from '../connection/server.ts';
import { checkedUrl, shownHosts } from '../connection/url.ts';
import { createStoreHealth } from './readiness.ts';
import { createKeys } from './record.ts';
import { createReplicas, type Replicas } from './replicas.ts';

type Run = (
  script: string,
  keys: readonly string[],
  args: ReadonlyArray<string | number>,
) => Promise<unknown>;

export type Commands = ReturnType<typeof openCommands>;

/** The commands of a Redis store, on one connection. Replies from a Redis that failed its checks are ignored. */
export function openCommands(options: RedisStoreOptions) {
  const { prefix, now = Date.now } = options;
  const connection = connect(options, async () => {
    const written = write().then((replies) => replies.forEach(replyOrThrow));
    // Redis is judged even if it accepts no write: a full Redis has tokens that can be looked up.
    const judged = connection.infos().then(health.judge);
    await Promise.all([written, judged, replicas?.learn()]);
    health.requireAccepted();
  });
  const replicas = options.replicas ? createReplicas(connection, options) : undefined;
  const acknowledged: Replicas['acknowledged'] =
    replicas?.acknowledged ?? ((_, operation) => operation());
  const health = createStoreHealth(connection, options, replicas, () => write());

  /** Throws if no reply of this Redis may be used. */
  function assertUsable(): void {
    connection.assertMaster();
    health.assertAccepted();
  }

  const at = ` (at ${shownHosts(checkedUrl(options.url))})`;

  /** Every failure of Redis is a `StoreUnavailable`, whose text for the log has the servers of POSTERN_STORE. */
  function failed(error: Error): StoreUnavailable {
    if (isOutOfStep(error)) connection.reconnect();
    const why = connection.failureOf(error);
    if (why instanceof Unacknowledged || why.message.endsWith(at)) return why;
    return new StoreUnavailable(why.message + at, why);
  }

  async function reply<T>(command: () => Promise<T>): Promise<T> {
    try {
      assertUsable();
      return await command();
    } catch (error) {
      throw failed(error as Error);
    }
  }

  /** In a cluster, all keys of the commands have the same slot. */
  const send: SendTo = (key, run) => reply(() => connection.send(key, run));

  /** Sends whole scripts, not their digests, which Redis loses when it restarts. */
  const run: Run = (script, names, args) =>
    send(names[0] ?? '', (redis) => redis.eval(script, names.length, ...names, ...args));

  /** Masters that have lost their replicas, and why: another one may be the master, and have newer revocations. */
  const fences = new Map<string, StoreUnavailable>();

  /** Writes a key that means nothing to each master. Without memory, Redis still accepts PEXPIRE, or reports NOREPLICAS. */
  async function write(masters = connection.masterNames()): Promise<readonly Reply[]> {
    if (masters.length === 0) return [[new Error(NO_MASTER), undefined]];
    const writes = masters.map(async (master): Promise<Reply> => {
      const key = connection.keyOn(master, `${prefix}ready`);
      const sent = [
        connection.send(key, (redis) => redis.set(key, now(), 'PX', 1000)),
        connection.send(key, (redis) => redis.pexpire(key, 1000)),
      ];
      const [written, touched] = await Promise.allSettled(sent);
      if (touched?.status === 'fulfilled') fences.delete(master);
      else if (codeOf(touched?.reason) === 'NOREPLICAS') {
        fences.set(master, connection.failureOf(touched?.reason));
        return [touched?.reason, undefined];
      }
      return written?.status === 'fulfilled'
        ? [null, written.value]
        : [written?.reason as Error, undefined];
    });
    return Promise.all(writes);
  }

  const keys = createKeys(prefix);

  /** Replaces what such a master found by the reason. */
  function fenced(names: readonly string[], found: readonly Value[]): readonly Value[] {
    if (fences.size === 0) return found;
    return found.map((one, i) => {
      const why = fences.get(connection.masterOf(names[i] ?? ''));
      return why ? [why, 0] : one;
    });
  }
  return {
    connection,
    keys,
    health,
    replicas,
    acknowledged,
    failed,
    reply,
    send,
    run,
    write,
    assertUsable,
    fenced,
    now,
  };
}
