import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProxy } from '../../test/support/store/proxies.ts';
import type { Load } from './load.ts';

/** What is kept of what a client sends first, to recognize it. */
const HEAD_BYTES = 1024;

export type Link = Awaited<ReturnType<typeof startLink>>;

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  head: Buffer;
  isCut: boolean;
}

/** The only way to a server: it can be cut for some clients, whose packets then get lost. */
export async function startLink() {
  let to = 0;
  let isLost = (_head: Buffer) => false;
  let delayMs = 0;
  const pairs = new Set<Pair>();

  function cutIfLost(pair: Pair): void {
    if (pair.isCut || !isLost(pair.head)) return;
    pair.isCut = true;
    pair.client.pause();
    pair.upstream.pause();
  }

  const join = (client: Socket, upstream: Socket) => {
    const pair: Pair = { client, upstream, head: Buffer.alloc(0), isCut: false };
    pairs.add(pair);
    /** Writes what arrives later, and in its order. */
    const passTo = (other: Socket) => {
      let before = Promise.resolve();
      return (data: Buffer) => {
        const due = performance.now() + delayMs;
        before = before.then(async () => {
          const left = due - performance.now();
          if (left > 0) await sleep(left);
          if (!pair.isCut) other.write(data);
        });
      };
    };
    const [toServer, toClient] = [passTo(upstream), passTo(client)];
    client.on('close', () => pairs.delete(pair));
    client.on('data', (data) => {
      if (pair.head.length < HEAD_BYTES) pair.head = Buffer.concat([pair.head, data]);
      cutIfLost(pair);
      toServer(data);
    });
    upstream.on('data', toClient);
    cutIfLost(pair);
  };
  return {
    ...(await startProxy(() => to, join)),
    leadTo(port: number) {
      to = port;
    },
    /** Each packet takes so long, in both directions. */
    delay(ms: number) {
      delayMs = ms;
    },
    /** `isLostNow` gets the first bytes that a client sent on its connection. */
    cut(isLostNow: (head: Buffer) => boolean) {
      isLost = isLostNow;
      for (const pair of pairs) cutIfLost(pair);
    },
    heal() {
      isLost = () => false;
      for (const { client, isCut } of pairs) if (isCut) client.destroy();
    },
  };
}

export const isAnyone = () => true;

/** A replica, or a sentinel. */
export function isServer(head: Buffer): boolean {
  return /REPLCONF|sentinel-/i.test(head.toString('latin1'));
}

/** A node of a cluster: each packet of the bus has its sender, from byte 40 on. */
export function isNode(id: string): (head: Buffer) => boolean {
  return (head) => head.toString('latin1', 40, 80) === id;
}

/** A failure of the servers, under load. */
export interface Scenario {
  /** The name in the table. */
  readonly name: string;
  /** Causes it, and returns when all servers run again. */
  run(load: Load): Promise<void>;
  /** Operations that succeeded may be lost if no replica acknowledges them; `surely` if some are lost each time. */
  readonly loses?: 'maybe' | 'surely';
  /** How often it runs, under one load. */
  readonly kind?: 'kill' | 'planned';
  /** A part of the tokens stays unavailable. */
  readonly isForGood?: boolean;
}

export interface Topology {
  readonly name: 'Sentinel' | 'Cluster';
  /** What fails. */
  readonly kind: 'servers' | 'network';
  /** The version of the servers, with their name. */
  readonly version: string;
  readonly url: string;
  /** The number of replicas of each master. */
  readonly replicas: number;
  readonly scenarios: readonly Scenario[];
  stop(): Promise<void>;
}
