import { Redis } from 'ioredis';
import { connectCluster } from './cluster.ts';
import {
  type Connection,
  type ConnectOptions,
  createAttempt,
  createState,
  replyOrThrow,
  type Wait,
  withRetry,
} from './connection.ts';
import {
  codeOf,
  failureOf,
  handshakeFailure,
  isSilence,
  sentinelFailure,
  unexpected,
} from './failure.ts';
import {
  firstReplyMs,
  keepConnecting,
  MasterConnector,
  type ServerOptions,
  sentinelsOf,
  serverOptions,
  streamOf,
  timed,
  tlsOptions,
} from './ioredis.ts';
import { checkedUrl, type StoreUrl } from './url.ts';

/** The name of a master without a cluster. */
const ONLY = '';

/** @param write rejects if Redis does not accept a write */
export function connect(options: ConnectOptions, write: () => Promise<unknown>): Connection {
  const url = checkedUrl(options.url);
  return (url.kind === 'cluster' ? connectCluster : connectServer)(url, options, write);
}

/** One server, or the master that sentinels name. After the first attempt to connect, commands fail until it is back. */
function connectServer(
  url: StoreUrl,
  options: ConnectOptions,
  write: () => Promise<unknown>,
): Connection {
  /** This connection is being closed, because its server must not be used. */
  let isLeaving = false;
  /** True from the end of a handshake until the connection is closed. */
  let isReady = false;
  const attempt = createAttempt(options.timeoutMs);
  attempt.begin();

  const address = url.path === undefined ? url.addresses[0] : { path: url.path };
  const settings: ServerOptions = {
    ...serverOptions(url, options),
    ...(url.kind === 'sentinel' ? sentinelOptions(url, options) : address),
    db: url.database,
    enableOfflineQueue: false,
    retryStrategy(attempts) {
      if (isReady && !state.unusable) attempt.begin();
      else attempt.end();
      isReady = false;
      return state.unusable ? 500 : Math.min(50 * attempts, 1000);
    },
    reconnectOnError(error) {
      if (codeOf(error) !== 'READONLY') return false;
      state.exclude(failureOf(error));
      // A connection ends only once for this reason: the address may now belong to the new master.
      const leaves = redis.status === 'ready' && !isLeaving;
      isLeaving = true;
      return leaves;
    },
  };
  const redis = new Redis(settings);
  const disconnect = keepConnecting(redis);

  const wait: Wait = (keys, send) => {
    // The loss is not reported yet.
    if (isReady && !streamOf(redis)?.writable && !state.unusable) attempt.begin();
    return attempt.wait(keys, () => timed(send(), options.timeoutMs, options.observer?.late));
  };

  const lookUp = withRetry(wait);

  const state = createState(options, write, {
    isKnown: isSilence,
    failureOf,
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
      state.exclude(state.lost);
      isLeaving = true;
      redis.disconnect(true);
    }
    state.down(state.lost);
  });
  redis.on('close', () => {
    isLeaving = false;
    state.down();
  });

  return {
    isCluster: false,
    send: (key, run) => wait([key], () => run(redis)),
    connected: () => wait([], async () => {}),
    async read(keys, withEnds) {
      const [values, ...ends] = await lookUp(keys, async () => {
        if (!withEnds) return [await redis.mget(keys as string[])];
        const pipeline = redis.pipeline().mget(keys as string[]);
        for (const key of keys) pipeline.pttl(key);
        return ((await pipeline.exec()) ?? []).map(replyOrThrow);
      });
      if (!Array.isArray(values)) throw unexpected();
      return (values as Array<string | null>).map((record, i) => [record, Number(ends[i])]);
    },
    unlink: (keys, counted) => wait(keys, () => redis.unlink(...keys).then(counted)),
    masters: () => new Map([[ONLY, redis]]),
    masterNames: () => [ONLY],
    masterOf: () => ONLY,
    keyOn: (_, key) => key,
    redirections: 0,
    // The Redis user may lack the permission for INFO.
    infos: () => wait([], async () => [await redis.info().catch(() => '')]),
    get sentinels() {
      return sentinelsOf(redis);
    },
    assertMaster: state.assertMaster,
    failureOf: state.failureOf,
    reconnect: () => redis.disconnect(true),
    close() {
      state.close();
      attempt.end();
      disconnect();
    },
  };
}

/** Options to connect to the master that the sentinels name, also after a failover. */
function sentinelOptions(url: StoreUrl, options: ConnectOptions): ServerOptions {
  const { sentinel: { username, password } = {}, timeoutMs } = options;
  return {
    Connector: MasterConnector,
    sentinels: [...url.addresses],
    ...(url.master !== undefined && { name: url.master }),
    role: 'master',
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password !== undefined && { sentinelPassword: password }),
    ...(url.isTls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(options) }),
    // Otherwise, a connection to a master that hangs stays open even after a failover.
    failoverDetector: true,
    sentinelCommandTimeout: firstReplyMs(timeoutMs),
    sentinelReconnectStrategy: () => 1000,
    sentinelRetryStrategy: (attempt) => Math.min(50 * attempt, 1000),
  };
}
