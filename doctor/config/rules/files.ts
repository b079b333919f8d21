import { spawnSync } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import { ofGate, type Rule, type SiteConfig, type Trap } from '../site.ts';
import { cachePath } from './snippets.ts';

/** What nginx needs, with which permissions (read 4, write 2, enter 1), what happens without it, and how to make it. */
const FILES = ['folder', 5, 'Each download fails with 404.', 'mkdir -p '] as const;
const SOCKET = [
  'socket',
  2,
  'Each download fails with 503: Postern does not run, POSTERN_LISTEN has another path, or nginx may not use it.',
  'start Postern with POSTERN_LISTEN=unix:',
] as const;
const CACHE = [
  'folder',
  3,
  'Each download whose decision nginx would cache ends without a response.',
  'nginx -s reload as root, which creates ',
] as const;

export const unavailable: Rule = (site) => {
  if (site.disk === undefined) return [];
  const user = userOf(site);
  const servers = ofGate(site).flatMap((one) => one.own('server'));
  const needs = [
    ...site.internals.flatMap((one) => one.own('alias')).map((at) => [at, FILES] as const),
    ...servers.map((at) => [at, SOCKET] as const),
    ...cachePath(site.http).map((at) => [at, CACHE] as const),
  ];
  return needs.flatMap(([at, [what, bits, lost, fix]]): Trap | readonly Trap[] => {
    const path = (at.args[0] ?? '').replace(/^unix:/, '');
    if (!/^\/[^$]*$/.test(path)) return [];
    if (isAbsent(path)) {
      // A checkout on another machine has none, and nginx or Postern may not have started yet.
      const seen = `${at.words}: there is no ${what} ${path}`;
      return { at, seen, why: lost, fix: fix + path, verdict: 'advice' };
    }
    const closed = user && foldersTo(path, bits).find(([one, needed]) => !may(user, one, needed));
    if (closed === undefined) return [];
    return {
      at,
      seen: `${at.words}: the user ${user?.name} of nginx may not use ${closed[0]}`,
      why: `${lost} nginx logs (13: Permission denied).`,
      fix: `give the user ${user?.name} access to ${closed[0]}, for example by its group`,
    };
  });
};

/** Whether nothing is at this path. If this user may not look there, the doctor assumes that something is. */
function isAbsent(path: string): boolean {
  return tryTo(() => lstatSync(path, { throwIfNoEntry: false }) === undefined) ?? false;
}

/** Each folder to enter, and the file or folder itself. */
function foldersTo(path: string, bits: number): ReadonlyArray<readonly [string, number]> {
  const bare = path.replace(/(?<=.)\/$/, '');
  const above: Array<readonly [string, number]> = [];
  for (let at = dirname(bare); at !== '/'; at = dirname(at)) above.unshift([at, 1]);
  return [...above, [bare, bits]];
}

function may(
  { uid, gids }: NonNullable<ReturnType<typeof userOf>>,
  path: string,
  bits: number,
): boolean {
  const stat = tryTo(() => statSync(path));
  if (stat === undefined || uid === 0) return true;
  const shift = stat.uid === uid ? 6 : gids.includes(stat.gid) ? 3 : 0;
  return ((stat.mode >> shift) & bits) === bits;
}

/** The user of the workers, and its groups: that of the directive, or of the build. Undefined: unknown here. */
function userOf({ http, version }: SiteConfig) {
  const name = http.main.own('user')[0]?.args[0] ?? version?.user;
  if (name === undefined) return undefined;
  const known = users.get(name) ?? idsOf(name);
  users.set(name, known);
  const [uid, gids] = known;
  return uid?.[0] && gids ? { name, uid: uid[0], gids } : undefined;
}

/** The IDs of the users that this process has asked for. */
const users = new Map<string, ReturnType<typeof idsOf>>();

function idsOf(name: string) {
  const id = (flag: string) =>
    spawnSync('id', [flag, '--', name], { encoding: 'utf8' }).stdout ?? '';
  return [id('-u'), id('-G')].map((text) => text.trim().split(' ').map(Number));
}
