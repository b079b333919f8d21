import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Redis } from '../../harness/redis.ts';
import { waitFor } from '../../harness/wait.ts';

/** How long replicas miss what the master acknowledges. */
const BEHIND_MS = 800;

/** So that a restarted server still has its data. */
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
