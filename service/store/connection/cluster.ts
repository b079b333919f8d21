import { Cluster, type Redis } from 'ioredis';
import {
  type Connection,
  type ConnectOptions,
  createAttempt,
  createState,
  type Found,
  twice,
  type Wait,
  waiting,
} from './connection.ts';
import { clusterFailure, codeOf, isReply } from './failure.ts';
import { isAddress, SLOTS, serverOptions, slotOf, unexpected } from './ioredis.ts';
import type { StoreUrl } from './url.ts';

/** From the loss of a connection until the attempt to connect again. */
const RETRY_MS = 50;

/** Replies of a node that does not have the key, or does not have it yet. */
const REDIRECTIONS = ['MOVED', 'ASK', 'TRYAGAIN'];

/** Members of the library that its types do not have. */
interface Library {
  readonly connectionPool: {
    /** By their names in the table of slots. */
    readonly nodes: { readonly master: Readonly<Record<string, Redis>> };
    getInstanceByKey(name: string): Redis | undefined;
    getSampleInstance(role: string): Redis | undefined;
  };
  handleError(error: Error, left: unknown, handlers: { maxRedirections(e: Error): void }): void;
}

/** Writes all commands of this turn at once. */
function writeTogether(node: Redis | undefined): void {
  const stream = node?.stream;
  if (stream === undefined || stream.writableCorked > 0) return;
  stream.cork();
  queueMicrotask(() => stream.uncork());
}

function namesNode({ message }: Error): boolean {
  const [code, , address = ''] = message.split(' ');
  const [, host, port] = /^(.*):(\d{1,5})$/.exec(address) ?? [];
  return code === 'TRYAGAIN' || isAddress(host, Number(port));
}

/**
 * A connection to each master of a cluster. Commands wait for the first attempt to connect to the master of their key;
 * after that they fail immediately until it is connected. No commands are sent to replicas.
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
    slotsRefreshTimeout: 500,
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
  const library = cluster as unknown as Library;
  const pool = library.connectionPool;

  /** The master with this name in the table of slots. */
  const masterAt = (name: string): Redis | undefined => pool.nodes.master[name];

  // If a slot has no master, the library would ask a replica, whose reply may be older than a revocation.
  const { getSampleInstance } = pool;
  pool.getSampleInstance = () => getSampleInstance.call(pool, 'master');
  pool.getInstanceByKey = masterAt;

  const handleError = library.handleError.bind(cluster);
  library.handleError = (error, left, handlers) => {
    if (isReply(error) && REDIRECTIONS.includes(codeOf(error))) {
      redirections += 1;
      options.observer?.redirected();
      // The library would throw an error that nobody can catch.
      if (!namesNode(error)) return handlers.maxRedirections(unexpected());
    }
    handleError(error, left, handlers);
  };

  const connected = () => new Map(Object.entries(pool.nodes.master));

  /** A node without a connection connects when it gets its first command. */
  const isOpen = (node: Redis | undefined) => node?.status === 'ready' || node?.status === 'wait';

  const wait: Wait = (keys, send) => {
    const nodes = keys.map((key) => masterAt(masterOf(key)));
    if (cluster.status !== 'ready' || !nodes.every(isOpen)) return attempt.wait(keys, send);
    nodes.forEach(writeTogether);
    return send();
  };

  const lookUp = twice(wait);

  /** The string of a key. Null if there is none, or another type, as in MGET. */
  async function found(key: string, timed: boolean): Promise<Found> {
    try {
      return await lookUp([key], () =>
        Promise.all([cluster.get(key), timed ? cluster.pttl(key) : 0]),
      );
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
    answering: masterNames,
    // If a node does not reply at all, the connection ends, which is reported.
    isKnown: ({ message }) => message === 'Command timed out',
    failureOf: clusterFailure,
  });

  /** Ends the attempt if no master is still connecting. */
  function connectedAgain(): void {
    const isWhole = [...connected().values()].every(isOpen);
    if (cluster.status === 'ready' && isWhole) attempt.end();
  }

  cluster.on('+node', (node: Redis) => {
    let wasReady = false;
    node.on('ready', () => {
      wasReady = true;
      connectedAgain();
    });
    node.on('close', () => {
      if (wasReady) attempt.begin();
      else attempt.end();
      wasReady = false;
    });
    // Connect now, because only the connection of a node reports why it fails. Later, the first command connects.
    if (cluster.status !== 'ready') node.connect().catch(() => {});
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
    if (error.message !== 'Connection is closed.') state.lost = clusterFailure(error);
  });

  return {
    isCluster: true,
    redis: waiting(cluster, wait),
    connected: () => wait([], async () => {}),
    read: (keys, timed) => Promise.all(keys.map((key) => found(key, timed))),
    async unlink(keys) {
      const gone = await Promise.all(keys.map((key) => wait([key], () => cluster.unlink(key))));
      return gone.reduce((sum, count) => sum + count, 0);
    },
    masters: connected,
    masterNames,
    masterOf,
    keyOn,
    get redirections() {
      return redirections;
    },
    // The Redis user may lack the permission for INFO.
    infos: () => Promise.all([...connected().values()].map((node) => node.info().catch(() => ''))),
    assertMaster: state.assertMaster,
    failureOf: state.failureOf,
    close() {
      state.close();
      attempt.end();
      cluster.disconnect();
    },
  };
}
