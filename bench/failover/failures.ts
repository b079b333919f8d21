import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Redis } from '../../test/harness/redis.ts';
import { waitFor } from '../../test/harness/wait.ts';
import type { Load } from './load.ts';
import { isAcknowledged, isLookUp } from './row.ts';
import { isAnyone, isServer, type Link, type Scenario } from './scenario.ts';

/** What the two topologies do in their own way. */
export interface Failing {
  /** The word in the table: `a master`, or `the master`. */
  readonly master: string;
  /** The word in the table for the replicas of a master. */
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
  /** Every link to a server, and the ones between them. */
  readonly links: readonly Link[];
  /** Makes a replica of an old master that runs again. */
  follow?(old: Redis): Promise<unknown>;
  readonly planned: Pick<Scenario, 'name' | 'loses'>;
  plan(old: Redis, replicas: readonly Redis[]): Promise<unknown>;
}

export function failuresOf(failing: Failing) {
  const { master, replace, whole, restMs, servers } = failing;

  async function restored(load: Load): Promise<void> {
    await whole();
    await load.settled(isLookUp);
    await load.settled(isAcknowledged);
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
        await replace(failing.plan);
        await restored(load);
      },
    },
    {
      name: 'all of Redis restarted, with `appendfsync always`',
      // If the start takes longer than the sentinels wait, a replica replaces the master that answers again.
      loses: 'maybe',
      async run(load) {
        await Promise.all(servers.map((server) => say(server, 'CONFIG SET appendfsync always')));
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
    ...[50, 400].map((ms) => ({
      name: `each link takes ${ms} ms for 10 s`,
      loses: 'maybe' as const,
      async run(load: Load) {
        for (const link of failing.links) link.delay(ms);
        await sleep(10_000);
        for (const link of failing.links) link.delay(0);
        await restored(load);
      },
    })),
  ];
  return { ofServers, ofNetwork, restored, kill };
}

/** How long replicas miss what the master acknowledges. */
const BEHIND_MS = 800;

/** The options with which a restarted server still has its data. */
export const KEEP = ['--appendonly', 'yes', '--appendfsync', 'everysec'];

export async function makeFolders(parent: string, count: number): Promise<string[]> {
  const folders = Array.from({ length: count }, (_, i) => join(parent, String(i)));
  for (const folder of folders) await mkdir(folder);
  return folders;
}

/** What a server says to a command; empty if it says nothing. */
export async function say({ port }: Pick<Redis, 'port'>, command: string): Promise<string> {
  return (await ask(port, command, 2_000)) ?? '';
}

export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  await waitFor(
    async () => {
      if (await isSo()) return true;
      await sleep(50);
      return false;
    },
    { what, deadline: 90_000 },
  );
}

export async function versionOf(redis: Redis): Promise<string> {
  const info = await say(redis, 'INFO server');
  const valkey = /^valkey_version:(\S+)/m.exec(info);
  return valkey ? `Valkey ${valkey[1]}` : `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`;
}

export async function isMaster(redis: Redis): Promise<boolean> {
  return (await say(redis, 'ROLE')).includes('master');
}

/** Whether a server follows a master, or the one at that port, and has all of its data. */
export async function follows(redis: Redis, port?: number): Promise<boolean> {
  const info = await say(redis, 'INFO replication');
  const isOf = port === undefined || info.includes(`master_port:${port}\r`);
  return isOf && info.includes('master_link_status:up') && !info.includes('sync_in_progress:1');
}

/** Kills a master that goes on for a moment after it has lost its replicas. */
export async function killAhead(master: Redis, replicas: readonly Redis[]): Promise<void> {
  const logIn = (user: string, password: string) =>
    Promise.all(
      replicas.map(async (replica) => {
        await say(replica, `CONFIG SET masteruser "${user}" masterauth "${password}"`);
        await say(replica, 'CONFIG REWRITE');
      }),
    );
  await logIn('nobody', 'wrong');
  await say(master, 'CLIENT KILL TYPE replica');
  await sleep(BEHIND_MS);
  await master.kill();
  await logIn('', '');
}
