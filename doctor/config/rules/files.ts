import { lstatSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import type { Rule, SiteConfig, Trap } from '../site.ts';
import { cachePath } from './snippets.ts';

/** The user and the groups of the workers of nginx. */
interface User {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

/** What nginx needs: with which permissions (read 4, write 2, enter 1), what happens without it, and how to make it. */
const FILES = {
  what: 'folder',
  bits: 5,
  lost: 'Each download fails with 404.',
  fix: 'mkdir -p ',
};
const SOCKET = {
  what: 'socket',
  bits: 2,
  lost: 'Each download fails with 503: Postern does not run, POSTERN_LISTEN has another path, or nginx may not use it.',
  fix: 'start Postern with POSTERN_LISTEN=unix:',
};
const CACHE = {
  what: 'folder',
  bits: 3,
  lost: 'Each download whose decision nginx would cache ends without a response.',
  fix: 'nginx -s reload as root, which creates ',
};

export const unavailable: Rule = (site) => {
  if (site.disk === undefined) return [];
  const user = userOf(site);
  const upstreams = site.http.own('upstream').filter(({ args }) => args[0] === 'postern');
  const servers = upstreams.flatMap((one) => one.own('server'));
  const needs = [
    ...site.internals.flatMap((one) => one.own('alias')).map((at) => ({ at, ...FILES })),
    ...servers.flatMap((at) => (at.args[0]?.startsWith('unix:') ? { at, ...SOCKET } : [])),
    ...cachePath(site.http).map((at) => ({ at, ...CACHE })),
  ];
  return needs.flatMap(({ at, what, bits, lost, fix }): readonly Trap[] => {
    const path = (at.args[0] ?? '').replace(/^unix:/, '');
    if (!/^\/[^$]*$/.test(path)) return [];
    if (isAbsent(path)) {
      // A checkout on another machine has none, and nginx or Postern may not have started yet.
      const seen = `${at.words}: there is no ${what} ${path}`;
      return [{ at, seen, why: lost, fix: fix + path, verdict: 'advice' }];
    }
    const closed = user && foldersTo(path, bits).find(([one, needed]) => !may(user, one, needed));
    if (closed === undefined) return [];
    return [
      {
        at,
        seen: `${at.words}: the user ${user?.name} of nginx may not use ${closed[0]}`,
        why: `${lost} nginx logs (13: Permission denied).`,
        fix: `give the user ${user?.name} access to ${closed[0]}, for example by its group`,
      },
    ];
  });
};

/** Undefined, and so not absent, if this user may not look. */
function isAbsent(path: string): boolean {
  try {
    lstatSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Each folder to enter, and the file or folder itself. */
function foldersTo(path: string, bits: number): ReadonlyArray<readonly [string, number]> {
  const bare = path.replace(/(?<=.)\/$/, '');
  const above: Array<readonly [string, number]> = [];
  for (let at = dirname(bare); at !== '/'; at = dirname(at)) above.unshift([at, 1]);
  return [...above, [bare, bits]];
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
