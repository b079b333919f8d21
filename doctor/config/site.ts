import { basename } from 'node:path';
import type { Listen } from '../../service/address.ts';
import type { Mount } from '../../service/paths/mount.ts';
import { isFrontOf } from './addresses.ts';
import {
  beginningOf,
  type Context,
  type Directive,
  type Http,
  type Location,
  type Position,
} from './context.ts';
import type { Disk } from './disk.ts';
import { absolutesOf } from './proof/folders.ts';
import type { Binary } from './proof/nginx.ts';
import { blocksOf, constantOf, folderValues, WILD } from './values.ts';
import type { Version } from './version.ts';

export const AUTH_REQUEST = '/.postern/auth-request';
export const DELIVERY = '@postern_deliver';

/** What is known besides the configuration of nginx. Undefined: unknown, and not compared. */
export interface Known {
  readonly mounts?: readonly Mount[] | undefined;
  readonly listen?: Listen | undefined;
  readonly apiListen?: Listen | undefined;
  readonly disk?: Disk | undefined;
  /** More folders whose files are to be protected. */
  readonly protect?: readonly string[] | undefined;
  readonly version?: Version | undefined;
  /** The program that answers for a copy of the configuration. */
  readonly nginx?: Binary | null | undefined;
}

/** A configuration, and the parts of it that belong to Postern. */
export type SiteConfig = ReturnType<typeof siteOf>;

export type SnippetFile = ReturnType<typeof snippetOf>[number];

/** A file of Postern's, recognized by its first line, and its version if it names one. Otherwise empty. */
export function snippetOf(file: string, text: string) {
  const [first = '', ...lines] = text.split('\n', 20);
  if (!/^# Postern\b/.test(first)) return [];
  const at = lines.findIndex((line) => line.startsWith('# postern-version: '));
  const version = lines[at]?.split(' ')[2];
  return [{ file, line: at + 2, name: basename(file), text, version }];
}

/** Whether a block contains the lines of a snippet. */
export function includes({ snippets }: SiteConfig, { block }: Context, name: string): boolean {
  return snippets.some((one) => one.name === name && block.some(({ file }) => file === one.file));
}

export function siteOf(http: Http, snippets: readonly SnippetFile[], known: Known) {
  const { mounts = [] } = known;
  const files = new Set(snippets.map(({ file }) => file));
  const locations = http.servers.flatMap((server) => server.locations.flatMap((one) => one.nested));
  // The public locations, and below those of them that ask the gate by X-Accel.
  const gates = locations.filter((location) => asksGate(location) || passesToGate(location));
  const servers = http.servers.filter((server) => gates.some((gate) => gate.server === server));
  // The locations that serve the files that a gate allowed.
  const internals = servers.flatMap((server) =>
    server.locations
      .flatMap((one) => one.nested)
      .filter((one) => !isSnippets(one) && !files.has(one.file) && !gates.includes(one))
      .filter((one) => usesSnippets(one) || isOfMount(one, mounts)),
  );
  const isFront = (one: Location, to: Location) =>
    one.server !== to && blocksOf(one).some((block) => isFrontOf(block, to, http));
  const isSide = (block: Context, side: string) =>
    block.own('set').some(({ args }) => args[0] === '$postern_side' && args[1] === side);
  // The server blocks that get each slice, and the locations that cut downloads into slices.
  const inners = http.servers.filter(
    (server) =>
      isSide(server, 'inner') ||
      locations.some((one) => isSide(one, 'outer') && isFront(one, server)),
  );
  const outers = locations.filter(
    (one) => isSide(one, 'outer') || inners.some((server) => isFront(one, server)),
  );
  // What requesters reach.
  const publics = [...gates, ...outers];
  const publicServers = http.servers.filter((one) => publics.some(({ server }) => server === one));
  const passing = gates.filter((gate) => !asksGate(gate));
  // They contain request lines, with the tokens.
  const logs = [http.main, ...servers, ...gates]
    .flatMap((one) => one.effective('error_log').map(({ args: [path = ''] }) => path))
    .filter((path) => path.startsWith('/'));
  const folders = [
    ...(known.protect ? [] : internals.flatMap((location) => foldersOf(location, http))),
    ...(known.protect ? [] : logs).map((path) => ({ path, what: 'the tokens in the error log' })),
    ...(known.protect ?? []).map((one) => {
      const path = one.replace(/\/*$/, '/');
      return { path, what: `the files of ${path}` };
    }),
  ].map(({ path, what }) => {
    const real = known.disk?.real(path) ?? path;
    return { path: path.endsWith('/') ? real.replace(/\/?$/, '/') : real, what };
  });
  const slices = { outers, inners, isFront };
  const all = { gates, passing, internals, servers, publics, publicServers };
  return { http, ...all, slices, snippets, folders, ...known };
}

/** The folders whose files an internal location serves. */
function foldersOf(location: Location, http: Http) {
  if (location.has('proxy_pass')) return [];
  const { isPrefix, modifier, path } = location;
  const isAlias = location.inForce('alias') !== undefined && location.own('root').length === 0;
  const uri = isPrefix || modifier === '=' ? path : (modifier === '~' && beginningOf(path)) || '/';
  const folders = folderValues(location, http)
    .filter((one) => !one.startsWith(WILD))
    .flatMap((one) => absolutesOf(one, http.prefixes));
  const paths = folders.map((folder) => {
    const fixed = constantOf(isAlias ? folder : folder + uri);
    return isPrefix && fixed === folder
      ? `${fixed.replace(/\/$/, '')}/`
      : fixed.replace(/[^/]*$/, '');
  });
  const what = `files of ${location.titleAt}`;
  return [...new Set(paths)].filter((path) => path.length > 1).map((path) => ({ path, what }));
}

/** The upstream to which the snippets send requests for a gate. */
export function ofGate({ http }: Pick<SiteConfig, 'http'>): readonly Directive[] {
  return http.own('upstream').filter(({ args }) => args[0] === 'postern');
}

/** The mounts of a server block: those without a site, and those of its first name. */
export function mountsOf(server: Location, mounts: readonly Mount[]): readonly Mount[] {
  const [site = ''] = server.names;
  return mounts.filter((mount) => mount.site === undefined || mount.site === site);
}

function isSnippets({ modifier, path }: Location): boolean {
  return modifier === '@' || path.startsWith('/.postern/');
}

/** A single line of protect.conf makes a gate, and so does one of x-accel.conf. The rules find missing lines. */
function asksGate(location: Location): boolean {
  if (isSnippets(location)) return false;
  const asks = location.own('auth_request').some(({ args }) => args[0] === AUTH_REQUEST);
  return asks || location.own('try_files').some(({ args }) => args.at(-1) === DELIVERY);
}

function passesToGate(location: Location): boolean {
  const headers = location.own('proxy_set_header').map(({ args }) => args[0]?.toLowerCase());
  const urls = location.own('proxy_pass').map(({ args }) => args[0] ?? '');
  if (isSnippets(location) || urls.length === 0) return false;
  const rewritten = location.own('rewrite').some(({ args }) => args[1] === '/x-accel?');
  return (
    rewritten || headers.includes('postern-site') || urls.some((url) => /\/x-accel$/.test(url))
  );
}

/** Contains any line of file.conf. */
function usesSnippets({ block }: Location): boolean {
  return block.some(
    ({ name, args }) =>
      ['set', 'auth_request_set', 'limit_rate', 'add_header'].includes(name) &&
      args.some((word) => /^\$postern_(?!log|code|request|referer)/.test(word)),
  );
}

function isOfMount({ isPrefix, path, server }: Location, mounts: readonly Mount[]): boolean {
  if (!isPrefix || path === '/') return false;
  return mountsOf(server, mounts).some(
    ({ internal }) => server.prefixMatch(internal)?.path === path || path.startsWith(internal),
  );
}

export interface Trap {
  readonly at: Position;
  readonly seen: string;
  readonly why: string;
  /**
   * What to change. A change of nginx's configuration begins with its place, so that it can be made as printed:
   * `in <block> (<file>:<line>): <lines>`, `instead of this line: <lines>` or `delete this line`. If the line has more, the
   * report names the directive instead of the line.
   */
  readonly fix: string;
  /** The command that gets the file. */
  readonly proof?: string;
  /** Default: `failed`, or that of the rule. */
  readonly verdict?: Severity;
}

/** A file gets out or the site is broken; it cannot be excluded; advice. */
export type Severity = 'failed' | 'question' | 'advice';

export type Rule = (site: SiteConfig) => Iterable<Trap>;
