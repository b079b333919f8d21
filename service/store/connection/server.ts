import { Redis } from 'ioredis';
import { connectCluster } from './cluster.ts';
import {
  type Connection,
  type ConnectOptions,
  createAttempt,
  createState,
  replyOrThrow,
  type Wait,
  waiting,
} from './connection.ts';
import {
  codeOf,
  failureOf,
  handshakeFailure,
  isLoss,
  isSilence,
  sentinelFailure,
} from './failure.ts';
import type { MasterConnector } from './library.ts';
import { checkedUrl, type ServerOptions, sentinelOptions, serverOptions } from './options.ts';
import type { StoreUrl } from './url.ts';

/** The name of a master without a cluster. */
const ONLY = '';

/** @param write rejects if Redis does not accept a write */
export function connect(options: ConnectOptions, write: () => Promise<unknown>): Connection {
  const url = checkedUrl(options.url);
  return (url.kind === 'cluster' ? connectCluster : connectServer)(url, options, write);
}

/**
 * A connection to one server, or to the master that the sentinels name. Commands wait for the first attempt to
 * connect; after that they fail at once until it has reconnected.
 */
function connectServer(
  url: StoreUrl,
  options: ConnectOptions,
  write: () => Promise<unknown>,
): Connection {
  /** This connection is being closed, because its server must not be used. */
  let isLeaving = false;
  /** From the end of a handshake until the connection is closed. */
  let isReady = false;
  const attempt = createAttempt(options.timeoutMs);
  attempt.begin();

  const address = url.path === undefined ? url.addresses[0] : { path: url.path };
  const settings: ServerOptions = {
    ...serverOptions(url, options, options.timeoutMs),
    ...(url.kind === 'sentinel' ? sentinelOptions(url, options) : address),
    db: url.database,
    enableOfflineQueue: false,
    retryStrategy(attempts) {
      if (isReady && !state.refused) attempt.begin();
      else attempt.end();
      isReady = false;
      return state.refused ? 500 : Math.min(50 * attempts, 1000);
    },
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

  const wait: Wait = (keys, send) => {
    // The loss is not reported yet.
    if (isReady && !redis.stream.writable && !state.refused) attempt.begin();
    return attempt.wait(keys, send);
  };

  /** For commands that change nothing: sends them again if the connection is lost. */
  const twice: Wait = async (keys, send) => {
    try {
      return await wait(keys, send);
    } catch (error) {
      if (!isLoss(error as Error)) throw error;
      return wait(keys, send);
    }
  };

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
    isReady = true;
    state.lost = undefined;
    // The commands that wait come after the write of the check.
    attempt.end();
    void state.check();
  });
  let sentinelError: Error | undefined;
  redis.on('sentinelError', (error: Error) => {
    sentinelError = error;
  });
  redis.on('error', (error: Error & { command?: { name: string } }) => {
    if (!isReady) attempt.end();
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
    redis: waiting(redis, wait),
    connected: () => wait([], async () => {}),
    async send(commands) {
      const keys = commands.map(([, key]) => key);
      return (await wait(keys, () => redis.pipeline(commands).exec())) ?? [];
    },
    async read(keys, timed) {
      const [values, ...ends] = await twice(keys, async () => {
        if (!timed) return [await redis.mget(keys as string[])];
        const pipeline = redis.pipeline().mget(keys as string[]);
        for (const key of keys) pipeline.pttl(key);
        return ((await pipeline.exec()) ?? []).map(replyOrThrow);
      });
      return (values as Array<string | null>).map((record, i) => [record, Number(ends[i])]);
    },
    unlink: (keys) => wait(keys, () => redis.unlink(...keys)),
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
      attempt.end();
      redis.disconnect();
    },
  };
}
