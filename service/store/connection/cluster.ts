import { Cluster, type Redis } from 'ioredis';
import type { StoreUnavailable } from '../../token/store.ts';
import { SLOTS, slotOf } from '../redis/key-names.ts';
import {
  type Command,
  type Connection,
  type ConnectOptions,
  createAttempt,
  createState,
  type Reply,
  replyOrThrow,
  type Wait,
  waiting,
} from './connection.ts';
import { clusterFailure, codeOf, isLoss, isReply } from './failure.ts';
import { isAddress, unexpected } from './library.ts';
import { serverOptions } from './options.ts';
import type { StoreUrl } from './url.ts';

/** From the loss of a connection until the first attempt to connect again. */
const RETRY_MS = 50;

/** Replies of a node that does not have the key, or does not have it yet. */
const REDIRECTIONS = ['MOVED', 'ASK', 'TRYAGAIN'];

/** Members of the library that its types do not have. */
interface Library {
  readonly connectionPool: {
    /** By their names in the table of slots. */
    readonly nodes: { readonly master: Readonly<Record<string, Redis>> };
    findOrCreate(node: { host?: string; port?: number }): Redis;
  };
  handleError(error: Error, left: unknown, handlers: { maxRedirections(e: Error): void }): void;
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
  const cluster = new Cluster([...url.addresses], {
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    enableReadyCheck: false,
    slotsRefreshInterval: 1000,
    slotsRefreshTimeout: 500,
    clusterRetryStrategy: (count) => (state.refused ? 500 : Math.min(RETRY_MS * count, 1000)),
    // Keep names: certificates contain them, not their addresses.
    dnsLookup: (name, callback) => callback(null, name),
    redisOptions: serverOptions(url, options, options.timeoutMs),
  });

  let redirections = 0;
  const library = cluster as unknown as Library;
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

  /** The master with this name in the table of slots. */
  const masterAt = (name: string): Redis | undefined => library.connectionPool.nodes.master[name];

  const connected = () => new Map(Object.entries(library.connectionPool.nodes.master));

  /** A node without a connection connects when it gets its first command. */
  const isOpen = (node: Redis | undefined) => node?.status === 'ready' || node?.status === 'wait';

  const wait: Wait = (keys, send) => {
    const isReady = cluster.status === 'ready' && keys.every((k) => isOpen(masterAt(masterOf(k))));
    return isReady ? send() : attempt.wait(keys, send);
  };

  /** Sends each command to the master of its key. Commands for the same master are sent together. */
  async function send(commands: Command[]): Promise<Reply[]> {
    const places = new Map<string, number[]>();
    for (const [i, [, key]] of commands.entries()) {
      const master = masterOf(key);
      const others = places.get(master);
      if (others === undefined) places.set(master, [i]);
      else others.push(i);
    }
    const replies: Reply[] = Array(commands.length);
    const sent = [...places].map(async ([name, indexes]) => {
      const own = indexes.map((i) => commands[i] as Command);
      const keys = own.map(([, key]) => key);
      const given = await wait(keys, () => sendTo(masterAt(name), own));
      for (const [j, i] of indexes.entries()) replies[i] = given[j] as Reply;
    });
    await Promise.all(sent);
    return replies;
  }

  async function sendTo(master: Redis | undefined, commands: Command[]): Promise<Reply[]> {
    // The library finds the master of the slot if it is not known yet, or is not connected.
    if (master === undefined) return Promise.all(commands.map(sendAlone));
    if (!isOpen(master)) {
      return commands.map(() => [new Error('Connection is closed.'), undefined]);
    }
    const replies = (await master.pipeline(commands).exec()) ?? [];
    return Promise.all(
      commands.map((command, i): Reply | Promise<Reply> => {
        const [error, value] = replies[i] ?? [new Error('The command was not sent'), undefined];
        const isElsewhere = error && isReply(error) && REDIRECTIONS.includes(codeOf(error));
        return isElsewhere ? sendAlone(command) : [error, value];
      }),
    );
  }

  /** For commands that change nothing: sends them again if a connection is lost. */
  async function sendTwice(commands: Command[]): Promise<Reply[]> {
    const replies = await send(commands);
    const lost = [...replies.keys()].filter((i) => replies[i]?.[0] && isLoss(replies[i][0]));
    const again = lost.length === 0 ? [] : await send(lost.map((i) => commands[i] as Command));
    for (const [j, i] of lost.entries()) replies[i] = again[j] as Reply;
    return replies;
  }

  async function sendAlone([name, ...args]: Command): Promise<Reply> {
    try {
      return [null, await cluster.call(name, args)];
    } catch (error) {
      return [error as Error, undefined];
    }
  }

  /** The string of a key. Null if there is none, or another type, as in MGET. */
  function stringOf([error, value]: Reply): string | null | StoreUnavailable {
    if (error === null) return value as string | null;
    return isReply(error) && codeOf(error) === 'WRONGTYPE' ? null : state.failureOf(error);
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

  const infos = (...sections: string[]) => {
    const masters = [...connected().values()];
    // The Redis user may lack the permission for INFO.
    return Promise.all(masters.map((master) => master.info(...sections).catch(() => '')));
  };

  const state = createState(options, write, {
    infos,
    answering: masterNames,
    isOpen: () => true,
    // If a node does not reply at all, the connection ends, which is reported.
    isKnown: ({ message }) => message === 'Command timed out',
    failureOf: clusterFailure,
    reconnect: () => cluster.disconnect(true),
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
      if (!wasReady || state.refused) return attempt.end();
      attempt.begin();
      // The library would connect when it learns about the node again, at most a second later.
      const { host = '', port = 0 } = node.options;
      setTimeout(() => {
        if (cluster.status !== 'ready' || !masterNames().includes(`${host}:${port}`)) return;
        const again = library.connectionPool.findOrCreate({ host, port });
        if (again.status === 'wait') again.connect().catch(() => {});
      }, RETRY_MS);
    });
    // Connect now, because only the connection of a node reports why it fails. Later, the first command connects.
    if (cluster.status !== 'ready') node.connect().catch(() => {});
    // The library does not handle a failure of ASKING: it would end the process.
    const asking = node.asking.bind(node);
    node.asking = () => {
      const asked = asking();
      asked.catch(() => {});
      return asked;
    };
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
    send,
    async read(keys, timed) {
      const names = timed ? ['get', 'pttl'] : ['get'];
      const replies = await sendTwice(
        keys.flatMap((key) => names.map((name): Command => [name, key])),
      );
      return keys.map((_, i) => {
        const [record, end] = replies.slice(i * names.length) as [Reply, Reply];
        const [error, left] = timed ? end : [null, 0];
        return [error ? state.failureOf(error) : stringOf(record), Number(left)];
      });
    },
    async unlink(keys) {
      const replies = await send(keys.map((key): Command => ['unlink', key]));
      return replies.map(replyOrThrow).reduce<number>((sum, gone) => sum + Number(gone), 0);
    },
    masters: connected,
    masterNames,
    masterOf,
    keyOn,
    get redirections() {
      return redirections;
    },
    infos,
    assertMaster: state.assertMaster,
    failureOf: state.failureOf,
    close() {
      state.close();
      attempt.end();
      cluster.disconnect();
    },
  };
}
