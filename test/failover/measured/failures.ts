import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from '../../harness/redis.ts';
import type { Load } from './load.ts';
import { isAnyone, isServer, type Scenario } from './scenario.ts';
import { killAhead } from './servers.ts';
import { isConfirmed, isLookUp } from './table.ts';

/** What the two topologies do in their own way. */
export interface Failing {
  /** As in the table: `a master`, or `the master`. */
  readonly master: string;
  /** Of a master, as in the table. */
  readonly replicas: string;
  readonly servers: readonly Redis[];
  /** How much longer a master fails when another one has replaced it. With that, it is about 10 s. */
  readonly restMs: number;
  /** Lets `fail` take a master away, waits for another one, and returns the old one. */
  replace(fail: (old: Redis, replicas: readonly Redis[]) => Promise<unknown>): Promise<Redis>;
  /** Waits until all servers run, and replicas follow. */
  whole(): Promise<void>;
  /** Cuts a master off from those that `isLost` names, and heals all. */
  cut(old: Redis, isLost: (head: Buffer) => boolean): Promise<unknown>;
  heal(): void;
  /** Makes a replica of an old master that runs again. */
  follow?(old: Redis): Promise<unknown>;
  readonly planned: Pick<Scenario, 'name' | 'loses'>;
  plan(replicas: readonly Redis[]): Promise<unknown>;
}

export function failuresOf(failing: Failing) {
  const { master, replace, whole, restMs, servers } = failing;

  async function restored(load: Load): Promise<void> {
    await whole();
    await load.settled(isLookUp);
    await load.settled(isConfirmed);
  }

  /** A master is killed, and started again when its successor answers. */
  const kill =
    (fail: Parameters<Failing['replace']>[0] = (old) => old.kill()): Scenario['run'] =>
    async (load) => {
      const old = await replace(fail);
      await load.settled(isLookUp);
      await old.restart();
      await failing.follow?.(old);
      await restored(load);
    };

  /** A master is away for a while, and comes back. */
  const away =
    (fail: (old: Redis) => Promise<unknown>, end: (old: Redis) => void): Scenario['run'] =>
    async (load) => {
      const old = await replace(fail);
      await sleep(restMs);
      end(old);
      await restored(load);
    };

  const ofServers: Scenario[] = [
    { name: `\`kill -9\` of ${master}`, kind: 'kill', loses: 'maybe', run: kill() },
    { name: `\`kill -9\` while ${failing.replicas} behind`, loses: 'surely', run: kill(killAhead) },
    {
      name: `${master} hangs for 10 s (SIGSTOP)`,
      loses: 'maybe',
      run: away(
        async (old) => old.pause(),
        (old) => old.resume(),
      ),
    },
    {
      ...failing.planned,
      kind: 'planned',
      async run(load) {
        await replace((_, replicas) => failing.plan(replicas));
        await restored(load);
      },
    },
    {
      name: 'all of Redis restarted, with `appendonly`',
      async run(load) {
        await Promise.all(servers.map((server) => server.kill()));
        await Promise.all(servers.map((server) => server.restart()));
        await restored(load);
      },
    },
  ];
  const cutOff = (isLost: (head: Buffer) => boolean) =>
    away((old) => failing.cut(old, isLost), failing.heal);
  const ofNetwork: Scenario[] = [
    { name: `the network to ${master} is lost for 10 s`, loses: 'maybe', run: cutOff(isAnyone) },
    {
      name: `only Postern still reaches ${master} for 10 s`,
      loses: 'surely',
      run: cutOff(isServer),
    },
  ];
  return { ofServers, ofNetwork, restored, kill };
}
