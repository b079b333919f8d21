import { Redis as Connection } from 'ioredis';
import type { Redis } from '../../harness/redis.ts';
import { isMaster } from './servers.ts';

/** Slots that move at the same time. Each node writes its table to disk after each step. */
const MOVERS = 20;

/** Moves the first slots of a master to another one, with their keys, in steps, as redis-cli does. */
export async function moveSlots(
  count: number,
  from: Redis,
  to: Redis,
  nodes: readonly Redis[],
): Promise<void> {
  const roles = await Promise.all(nodes.map(isMaster));
  const ports = nodes
    .filter((node, i) => roles[i] && node !== from && node !== to)
    .map(({ port }) => port);
  const open = (port: number) => new Connection({ port, host: '127.0.0.1' });
  const [source, target] = [open(from.port), open(to.port)];
  const others = ports.map(open);
  try {
    const [fromId, toId] = (await Promise.all(
      [source, target].map((node) => node.call('CLUSTER', 'MYID')),
    )) as [string, string];
    const left = (await slotsOf(source, fromId)).slice(0, count).values();
    const move = async (slot: number) => {
      await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
      await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
      for (;;) {
        const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
        if (keys.length === 0) break;
        await source.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
      }
      for (const node of [target, source, ...others]) {
        await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
      }
    };
    const mover = async () => {
      for (const slot of left) await move(slot);
    };
    await Promise.all(Array.from({ length: MOVERS }, mover));
  } finally {
    for (const node of [source, target, ...others]) node.disconnect();
  }
}

/** From CLUSTER NODES: the ranges at the end of the line of a master. */
async function slotsOf(node: Connection, id: string): Promise<number[]> {
  const text = String(await node.call('CLUSTER', 'NODES'));
  const line = text.split('\n').find((each) => each.startsWith(id)) ?? '';
  return [...line.matchAll(/ (\d+)(?:-(\d+))?(?= |$)/g)]
    .filter(({ index }) => index > line.indexOf('connected'))
    .flatMap(([, first, last = first]) => {
      const from = Number(first);
      return Array.from({ length: Number(last) - from + 1 }, (_, i) => from + i);
    });
}
