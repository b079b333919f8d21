import { lstatSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';

/** The user and the groups of the workers of nginx. */
interface User {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

/** What nginx needs on this machine: the folders of the files, and the sockets of the gates. */
export const unavailable: Rule = (site) => {
  if (site.disk === undefined) return [];
  const user = userOf(site);
  return [...site.internals.flatMap((one) => one.own('alias')), ...socketsOf(site)].flatMap(
    (at): Trap[] => {
      const path = (at.args[0] ?? '').replace(/^unix:/, '');
      if (!/^\/[^$]*$/.test(path)) return [];
      const isSocket = at.name === 'server';
      if (tryTo(() => lstatSync(path)) === undefined && canSee(path)) {
        // A checkout on another machine has none, and Postern may not have started yet.
        return [
          {
            at,
            seen: `${at.words}: there is no ${isSocket ? 'socket' : 'folder'} ${path}`,
            why: `Each download fails with ${isSocket ? '503: Postern does not run, or POSTERN_LISTEN has another path' : '404'}.`,
            fix: isSocket ? `start Postern with POSTERN_LISTEN=unix:${path}` : `mkdir -p ${path}`,
            verdict: 'advice',
          },
        ];
      }
      const closed = user && foldersTo(path, isSocket).find(([one, bits]) => !may(user, one, bits));
      if (closed === undefined) return [];
      return [
        {
          at,
          seen: `${at.words}: the user ${user?.name} of nginx may not use ${closed[0]}`,
          why: `Each download fails with ${isSocket ? 503 : 404}, and nginx logs (13: Permission denied).`,
          fix: `give the user ${user?.name} access to ${closed[0]}, for example by its group`,
        },
      ];
    },
  );
};

function socketsOf({ http }: SiteConfig) {
  const upstreams = http.own('upstream').filter(({ args }) => args[0] === 'postern');
  return upstreams
    .flatMap((one) => one.own('server'))
    .filter(({ args }) => args[0]?.startsWith('unix:'));
}

/** Each folder to enter (1), and the file or folder itself: to write (2) or to read and enter (5). */
function foldersTo(path: string, isSocket: boolean): ReadonlyArray<readonly [string, number]> {
  const bare = path.replace(/(?<=.)\/$/, '');
  const above: Array<readonly [string, number]> = [];
  for (let at = dirname(bare); at !== '/'; at = dirname(at)) above.unshift([at, 1]);
  return [...above, [bare, isSocket ? 2 : 5]];
}

/** Whether this user may look. */
function canSee(path: string): boolean {
  const parent = dirname(path.replace(/(?<=.)\/$/, ''));
  return parent === '/' || (tryTo(() => statSync(parent)) === undefined ? canSee(parent) : true);
}

function may({ uid, gids }: User, path: string, bits: number): boolean {
  const stat = tryTo(() => statSync(path));
  if (stat === undefined || uid === 0) return true;
  const shift = stat.uid === uid ? 6 : gids.includes(stat.gid) ? 3 : 0;
  return ((stat.mode >> shift) & bits) === bits;
}

/** The user of the directive, or of the build. Undefined: unknown here. */
function userOf({ http, version }: SiteConfig): User | undefined {
  const name = http.main.own('user')[0]?.args[0] ?? version?.user;
  const lines = (file: string) =>
    (tryTo(() => readFileSync(file, 'utf8')) ?? '').split('\n').map((line) => line.split(':'));
  const [, , uid, gid] = lines('/etc/passwd').find(([one]) => one === name) ?? [];
  if (name === undefined || uid === undefined) return undefined;
  const groups = lines('/etc/group').filter(([, , , members]) =>
    members?.split(',').includes(name),
  );
  return { name, uid: Number(uid), gids: [Number(gid), ...groups.map(([, , id]) => Number(id))] };
}
