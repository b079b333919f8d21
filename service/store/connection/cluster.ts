import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, type Redis } from 'ioredis';
import {
  type Connection,
  type ConnectOptions,
  createAttempt,
  createState,
  type SendTo,
  type Value,
  type Wait,
  withRetry,
} from './connection.ts';
import { clusterFailure, codeOf, isReply, NO_MASTER, TIMED_OUT } from './failure.ts';
import {
  assertInStep,
  firstReplyMs,
  refreshSlots,
  SLOTS,
  serverOptions,
  slotOf,
  streamOf,
  timed,
} from './ioredis.ts';
import type { StoreUrl } from './url.ts';

/** The time from the loss of a connection until the attempt to connect again. */
const RETRY_MS = 50;

/** Replies of a node that does not have the key, or does not have it yet. */
const REDIRECTIONS = ['MOVED', 'ASK', 'TRYAGAIN'];

/** Redis needs at most two: MOVED, then ASK. */
const MAX_REDIRECTIONS = 3;

const nameOf = ({ options: { host, port } }: Redis) => `${host}:${port}`;

const isConnected = (node: Redis) => node.status === 'ready' && streamOf(node)?.writable === true;

/** The connection to a master. */
const isOpen = (node: Redis | undefined): node is Redis =>
  node !== undefined && isConnected(node) && !node.options.readOnly;

/** The events of the node report whether it can. */
const connect = (node: Redis) => void node.connect().catch(() => {});

/** Writes all commands of this turn at once. */
function writeTogether({ stream }: Redis): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  queueMicrotask(() => stream.uncork());
}

/**
 * A connection to each master of a cluster. The library keeps the table of slots and the connections. Postern sends each
 * command to the master itself, so that it is never sent to a replica. Commands wait for the first attempt to connect to
 * the master of their key; after that they fail immediately until it is connected.
 */
export function connectCluster(
  url: StoreUrl,
  options: ConnectOptions,
  write: () => Promise<unknown>,
): Connection {
  const attempt = createAttempt(options.timeoutMs);
  attempt.begin();
  const cluster: Cluster = new Cluster([...url.addresses], {
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    enableReadyCheck: false,
    slotsRefreshInterval: 1000,
    slotsRefreshTimeout: firstReplyMs(options.timeoutMs),
    // A lost node is tried once more. After that, it connects when the library learns about it again, at most a second
    // later. While the cluster connects, no node may wait: the library would wait forever for its end.
    clusterNodeRetryStrategy: (count) =>
      count > 1 || cluster.status !== 'ready' ? null : RETRY_MS,
    clusterRetryStrategy: (count) => Math.min(RETRY_MS * count, 1000),
    // Keep names: certificates contain them, not their addresses.
    dnsLookup: (name, callback) => callback(null, name),
    redisOptions: serverOptions(url, options),
  });

  let redirections = 0;
  const nodes = new Map<string, Redis>();
  /** Those that no command needed yet. */
  const unused = new WeakSet<Redis>();

  /** The masters, by their names in the table of slots. */
  const masters = () => new Map([...nodes].filter(([, { options }]) => !options.readOnly));

  const inTime = <T>(reply: Promise<T>) => timed(reply, options.timeoutMs, options.observer?.late);

  /** Runs on the master of the key, and follows redirections. */
  async function follow<T>(key: string, run: (node: Redis) => Promise<T>): Promise<T> {
    const until = performance.now() + options.timeoutMs;
    let name = masterOf(key);
    let isAsk = false;
    for (let left = MAX_REDIRECTIONS; ; left -= 1) {
      const node = nodes.get(name);
      if (!isOpen(node)) throw new Error(NO_MASTER);
      writeTogether(node);
      // If it fails, the command fails.
      if (isAsk) node.asking().catch(() => {});
      try {
        return await run(node);
      } catch (cause) {
        const error = cause as Error;
        if (!isReply(error) || !REDIRECTIONS.includes(codeOf(error))) throw error;
        redirections += 1;
        options.observer?.redirected();
        const [code, , address = ''] = error.message.split(' ');
        if (code === 'TRYAGAIN') await sleep(RETRY_MS);
        else {
          isAsk = code === 'ASK';
          const refreshed = refreshSlots(cluster);
          name = address;
          if (!isOpen(nodes.get(name))) {
            // It may have been a replica until now.
            await refreshed;
            name = masterOf(key);
            isAsk = false;
            await wait([key], async () => {});
          }
        }
        // The caller may have got an error, and then nothing more may be sent.
        if (left === 0 || performance.now() > until) throw error;
      }
    }
  }

  const wait: Wait = (keys, send) => {
    const masters = keys.map((key) => nodes.get(masterOf(key)));
    if (cluster.status === 'ready' && masters.every(isOpen)) return inTime(send());
    for (const node of masters) {
      if (node === undefined) continue;
      // It is new, or its loss is not reported yet.
      if (unused.delete(node) || node.status === 'ready') attempt.begin();
      if (node.status === 'wait') connect(node);
    }
    return attempt.wait(keys, () => inTime(send()));
  };

  const waitWithRetry = withRetry(wait);
  const send: SendTo = (key, run) => wait([key], () => follow(key, run));
  const lookUp: SendTo = (key, run) => waitWithRetry([key], () => follow(key, run));

  /** The string of a key. Null if there is none, or another type, as in MGET. */
  async function found(key: string, withEnd: boolean): Promise<Value> {
    try {
      return await Promise.all([
        lookUp(key, (node) => node.get(key)),
        withEnd ? lookUp(key, (node) => node.pttl(key)) : 0,
      ]);
    } catch (cause) {
      const error = cause as Error;
      return [isReply(error) && codeOf(error) === 'WRONGTYPE' ? null : state.failureOf(error), 0];
    }
  }

  const masterOf = (key: string) => cluster.slots[slotOf(key)]?.[0] ?? '';

  const masterNames = () => [...new Set(cluster.slots.flatMap(([master = '']) => master))];

  /** A tag whose slot each master had. */
  const tags = new Map<string, number>();

  function keyOn(master: string, key: string): string {
    const tagged = (tag: number) => `${key}:{${tag}}`;
    let tag = tags.get(master) ?? 0;
    const isThere = masterOf(tagged(tag)) === master || masterNames().includes(master);
    // Numbers below this one are enough for a tag in each slot.
    while (isThere && masterOf(tagged(tag)) !== master && tag < 20 * SLOTS) tag += 1;
    if (isThere) tags.set(master, tag);
    return tagged(tag);
  }

  const state = createState(options, write, {
    // If a node does not reply at all, the connection ends, which is reported.
    isKnown: ({ message }) => message === TIMED_OUT,
    failureOf: clusterFailure,
  });

  /** Ends the attempt if no master is still connecting. */
  function connectedAgain(): void {
    const areSettled = [...masters().values()].every(
      (node) => node.status === 'wait' || isConnected(node),
    );
    if (cluster.status === 'ready' && areSettled) attempt.end();
  }

  cluster.on('+node', (node: Redis) => {
    nodes.set(nameOf(node), node);
    unused.add(node);
    let wasReady = false;
    node.on('ready', () => {
      wasReady = true;
      connectedAgain();
    });
    node.on('close', () => {
      if (wasReady) attempt.begin();
      // A replica that the library leaves was not needed.
      else if (!node.options.readOnly) attempt.end();
      wasReady = false;
    });
    // Connect now, because only the connection of a node reports why it fails. A replica connects when it is promoted.
    if (!node.options.readOnly) connect(node);
  });
  cluster.on('-node', (node: Redis) => {
    if (nodes.get(nameOf(node)) === node) nodes.delete(nameOf(node));
    connectedAgain();
  });
  cluster.on('ready', () => {
    connectedAgain();
    void state.check();
  });
  cluster.on('error', (error: Error & { lastNodeError?: Error }) => {
    attempt.end();
    state.lost = clusterFailure(error.lastNodeError ?? error);
  });
  cluster.on('node error', (error: Error) => {
    assertInStep(error);
    if (error.message !== 'Connection is closed.') state.lost = clusterFailure(error);
  });

  return {
    isCluster: true,
    send,
    connected: () => wait([], async () => {}),
    read: (keys, withEnds) => Promise.all(keys.map((key) => found(key, withEnds))),
    unlink: (keys, counted) =>
      Promise.all(keys.map((key) => send(key, (node) => node.unlink(key).then(counted)))),
    masters,
    masterNames,
    masterOf,
    keyOn,
    get redirections() {
      return redirections;
    },
    // The Redis user may lack the permission for INFO.
    infos: () =>
      Promise.all([...masters().values()].map((node) => inTime(node.info()).catch(() => ''))),
    assertMaster: state.assertMaster,
    failureOf: state.failureOf,
    reconnect() {
      for (const node of masters().values()) node.disconnect(true);
    },
    close() {
      state.close();
      attempt.end();
      cluster.disconnect();
    },
  };
}
