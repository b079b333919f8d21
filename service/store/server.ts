import { Redis } from 'ioredis';
import type { StoreUrl } from '../store-url.ts';
import {
  checkedUrl,
  type MasterConnector,
  type ServerOptions,
  sentinelOptions,
  serverOptions,
} from './access.ts';
import { connectCluster } from './cluster.ts';
import { type Connection, type ConnectOptions, createState, replyOrThrow } from './connection.ts';
import { codeOf, failureOf, handshakeFailure, isSilence, sentinelFailure } from './failure.ts';

/** The name of a master without a cluster. */
const ONLY = '';

/** @param write rejects if Redis does not accept a write */
export function connect(options: ConnectOptions, write: () => Promise<unknown>): Connection {
  const url = checkedUrl(options.url);
  return (url.kind === 'cluster' ? connectCluster : connectServer)(url, options, write);
}

/**
 * A connection to one server, or to the master that the sentinels name. It never queues: without Redis a
 * command fails at once, and it reconnects.
 */
function connectServer(
  url: StoreUrl,
  options: ConnectOptions,
  write: () => Promise<unknown>,
): Connection {
  /** This connection is being closed, because its server must not be used. */
  let isLeaving = false;

  const address = url.kind === 'sentinel' ? sentinelOptions(url, options) : url.addresses[0];
  const settings: ServerOptions = {
    ...serverOptions(url, options, options.timeoutMs),
    ...address,
    db: url.database,
    enableOfflineQueue: false,
    retryStrategy: (attempt) => (state.refused ? 500 : Math.min(50 * attempt, 1000)),
    reconnectOnError(error) {
      if (codeOf(error) !== 'READONLY') return false;
      state.refuse(failureOf(error));
      // Once per connection: the address may now belong to the new master.
      const leaves = redis.status === 'ready' && !isLeaving;
      isLeaving = true;
      return leaves;
    },
  };
  const redis = new Redis(settings);

  // The Redis user may lack the permission for INFO.
  const infos = async (...sections: string[]) => [await redis.info(...sections).catch(() => '')];

  function reconnect(): void {
    isLeaving = true;
    redis.disconnect(true);
  }

  const state = createState(options, write, {
    infos,
    answering() {
      const { remoteAddress, remotePort } = redis.stream ?? {};
      return remoteAddress === undefined ? [] : [`${remoteAddress}:${remotePort}`];
    },
    isOpen: () => redis.status === 'ready',
    isKnown: isSilence,
    failureOf,
    reconnect,
  });

  redis.on('ready', () => {
    isLeaving = false;
    state.lost = undefined;
    void state.check();
  });
  let sentinelError: Error | undefined;
  redis.on('sentinelError', (error: Error) => {
    sentinelError = error;
  });
  redis.on('error', (error: Error & { command?: { name: string } }) => {
    const isBefore = redis.status !== 'ready' && !isLeaving;
    const failure = isBefore ? handshakeFailure(error, url.isTls) : failureOf(error);
    state.lost = sentinelFailure(error, sentinelError) ?? failure;
    if (error.command?.name === 'select') {
      // The library would continue with database 0.
      state.refuse(state.lost);
      reconnect();
    }
    state.down(state.lost);
  });
  redis.on('close', () => {
    isLeaving = false;
    state.down();
  });

  return {
    isCluster: false,
    redis,
    async send(commands) {
      return (await redis.pipeline(commands).exec()) ?? [];
    },
    mget: (keys) => redis.mget(keys as string[]),
    async mgetTimed(keys) {
      const pipeline = redis.pipeline().mget(keys as string[]);
      for (const key of keys) pipeline.pttl(key);
      const [values, ...ends] = ((await pipeline.exec()) ?? []).map(replyOrThrow);
      return (values as Array<string | null>).map((record, i) => [record, Number(ends[i])]);
    },
    unlink: (keys) => redis.unlink(...keys),
    masters: () => new Map([[ONLY, redis]]),
    masterNames: () => [ONLY],
    masterOf: () => ONLY,
    keyOn: (_, key) => key,
    redirections: 0,
    infos,
    get sentinels() {
      return (redis as unknown as { connector: Partial<MasterConnector> }).connector.sentinels;
    },
    assertMaster: state.assertMaster,
    failureOf: state.failureOf,
    close() {
      state.close();
      redis.disconnect();
    },
  };
}
