import { posix } from 'node:path';
import { isForEverybody, LOCAL } from '../addresses.ts';
import type { Context, Directive, Http, Location } from '../context.ts';
import { answersOf } from './answers.ts';
import { type Ask, askAll, type CopyReply } from './ask.ts';
import { ALLOWED, type Copy } from './copy.ts';
import { beforeQuery, CHOOSES, type Free } from './free.ts';
import type { Folder, Marked, Mirror } from './mirror.ts';
import type { Binary } from './nginx.ts';
import { type Base, basesOf, curlOf } from './reach.ts';
import {
  aliasesOf,
  beginnings,
  chainOf,
  decoded,
  directivesOf,
  encoded,
  segmentsOf,
  spellingsOf,
  targetsOf,
} from './requests.ts';
import { isSampled, MOST } from './sample.ts';
import { choices, type Variation, variationsOf } from './variations.ts';
import { isInner } from './wanted.ts';

/** A request that got a protected file, or that might get it. */
export interface Leak {
  /** The block that sent it. */
  readonly context: Context;
  readonly server: Location;
  readonly folder: number;
  readonly file: Marked;
  /** The path of the URL. */
  readonly target: string;
  /** The URI with which nginx selected the block, after `rewrite` and decoded. */
  readonly uri: string;
  /** It is a proof, or depends on what only another program knows. */
  readonly isProof: boolean;
  readonly because?: string;
  readonly curl: string;
}

export interface Proof {
  readonly leaks: readonly Leak[];
  /** URLs that nginx was asked for. */
  readonly asked: number;
  /** The folders of which the doctor knows files. */
  readonly hasFiles: readonly boolean[];
  readonly unseen: ReadonlySet<string>;
  /** Whether protected files may have a name that brotli_static or zstd_static sends without its end. */
  readonly hasCompressed: boolean;
  /** Regex locations over the folder for which the doctor found no URL. */
  readonly unreached: readonly Location[];
  readonly free: Free;
  /** Server blocks with more URLs and values than the doctor asks for. */
  readonly cut: ReadonlySet<Options['related'][number]>;
  /** Directives that nginx rejected in the copy. */
  readonly dropped: ReadonlySet<Directive>;
}

export interface Options {
  readonly binary: Binary;
  readonly prefix: string;
  readonly folders: readonly Folder[];
  readonly isDisk: boolean;
  readonly ours: ReadonlySet<string>;
  /** The server blocks that could lead to the folder, and the index of the folder. */
  readonly related: ReadonlyArray<readonly [server: Location, folder: number]>;
}

/** An address that no configuration has in a list of trusted ones (RFC 5737), and one in the other half of all addresses. */
const STRANGERS = ['203.0.113.77', '45.9.8.7'] as const;

export async function askServers(
  http: Http,
  copy: Copy,
  mirror: Mirror,
  secret: string,
  { folders, related, prefix, ours, free }: Options & { free: Free },
) {
  const leaks: Leak[] = [];
  let asked = 0;
  const reached = new Set<number>();
  const cut = new Set<Options['related'][number]>();
  for (const pair of related) {
    const [server, index] = pair;
    if (isInner(server, http)) continue;
    const chain = chainOf(server, http);
    const lines = chain.flatMap(directivesOf).filter(({ file }) => !ours.has(file));
    const files = mirror.marked.filter(({ folder }) => folder === index);
    const others = mirror.others.filter(({ folder }) => folder === index);
    const main = [files.find(({ isReal }) => isReal), files.find(({ isReal }) => !isReal)].flatMap(
      (one) => one ?? [],
    );
    const other = (path: string, depth = 0): readonly string[] =>
      mirror.links.flatMap((link) => {
        if (path !== link.to && !path.startsWith(`${link.to}/`)) return [];
        const own = link.path + path.slice(link.to.length);
        return [own, ...(depth < 2 ? other(own, depth + 1) : [])];
      });
    const names = (all: readonly Marked[]) =>
      all
        .flatMap(({ path }) => [path, ...other(path)])
        // With gzip_static, the URL lacks this end.
        .flatMap((one) => (one.endsWith('.gz') ? [one, one.slice(0, -3)] : one));
    const aliases = aliasesOf(chain, prefix);
    const folder = folders[index]?.path ?? '/';
    const segments = segmentsOf(folder, main, chain);
    const bases = basesOf(server, copy, lines);
    const answers = answersOf(http, chain);
    let left = MOST;
    const send = async (
      every: readonly string[],
      address: string,
      variation?: Variation,
      statuses = answers.hidden,
    ) => {
      for (const [status, base] of statuses.flatMap((one) =>
        bases.map((of) => [one, of] as const),
      )) {
        const targets = every.slice(0, left);
        if (targets.length < every.length) cut.add(pair);
        left -= targets.length;
        const asks = targets.map(
          (target): Ask => ({
            socket: base.socket,
            method: variation?.method ?? 'GET',
            target:
              target +
              (variation?.query ? `${target.includes('?') ? '&' : '?'}${variation.query}` : ''),
            headers: {
              Host: base.host,
              ...base.headers,
              'Doctor-Address': address,
              'Doctor-Answer': status,
              ...variation?.headers,
            },
          }),
        );
        asked += asks.length;
        const replies = await askAll(base.socket, asks);
        for (const [at, reply] of replies.entries())
          take(reply, asks[at] as Ask, targets[at] ?? '', base, variation);
        replies.forEach((reply, at) => {
          const file = posix.normalize(/^Doctor-File: (.*)\r$/m.exec(reply.head)?.[1] ?? '/');
          if (
            file.startsWith(mirror.at(folder)) ||
            mirror.links.some(
              ({ path, to }) => `${to}/`.startsWith(folder) && file.startsWith(mirror.at(path)),
            )
          )
            near.set(targets[at] ?? '', file);
        });
      }
    };
    /** Targets that nginx looked for in the folder, and the file for which it looked. */
    const near = new Map<string, string>();
    const take = (
      reply: CopyReply,
      ask: Ask,
      target: string,
      base: Base,
      variation: Variation | undefined,
    ) => {
      const ids = [.../^Doctor: (\d+)/gm[Symbol.matchAll](reply.head)].map(([, id]) => Number(id));
      for (const id of ids) reached.add(id);
      if (!reply.body.includes(`${secret}:${index}:`)) return;
      const context = copy.blocks[ids[0] ?? -1];
      if (context === undefined) return;
      const path = decoded(target).replace(/\?.*/s, '');
      const sent = /^Doctor-File: (.*)\r$/m.exec(reply.head)?.[1] ?? '';
      const all = [...files, ...others];
      const file = all.find((one) => mirror.at(one.path) === posix.normalize(sent)) ??
        all.find((one) => path.endsWith(one.path.slice(folder.length))) ??
        main[0] ?? { path: folder, folder: index, isReal: false };
      const root = /^Doctor-Root: (.*)\r$/m.exec(reply.head)?.[1] ?? '';
      const uri = /^Doctor-Uri: (.*)\r$/m.exec(reply.head)?.[1] ?? path;
      const isFollowed =
        root.startsWith(mirror.at('/')) && root !== mirror.at('/').replace(/\/$/, '');
      const because =
        variation?.by === 'unknown'
          ? variation.what
          : ask.headers['Doctor-Address'] === ALLOWED && !isForAll(context)
            ? onlyFor(context)
            : reply.body.includes(`${secret}:${index}:?`)
              ? 'The doctor cannot see whether the folder has a file of this name.'
              : !isFollowed && folderWords(context).includes('$')
                ? 'a variable in it can be empty'
                : undefined;
      leaks.push({
        context,
        server,
        folder: index,
        file,
        target,
        uri,
        isProof: because === undefined,
        ...(because !== undefined && { because }),
        curl: curlOf(ask, base, variation),
      });
    };
    const targetsFor = (paths: readonly string[], most: number) =>
      paths
        .flatMap((path) =>
          targetsOf(most > 1 ? chain : [server], [path], aliases, ours, most, () => cut.add(pair)),
        )
        .map(encoded);
    const first = targetsFor(names(main), Number.POSITIVE_INFINITY);
    const real = names(files.filter(({ isReal }) => isReal));
    const targets = new Set([...first, ...targetsFor(real, 1), ...targetsFor(names(files), 0)]);
    await send([...targets], STRANGERS[0], undefined, answers.all);
    const close = [...near.keys()].filter((one) => !one.includes('?'));
    const below = beginnings(close.map((one) => [decoded(one), near.get(one) ?? '']));
    const every = [...files, ...others].flatMap(({ path }) =>
      [path, ...other(path)].flatMap((one) =>
        below.flatMap(([url, top]) =>
          mirror.at(one).startsWith(top) ? encoded(url + mirror.at(one).slice(top.length)) : [],
        ),
      ),
    );
    await send([...new Set([...close.flatMap(spellingsOf), ...every])], STRANGERS[0]);
    const some = [...new Set([...close, ...first])];
    const ranges = rangesIn(chain, http);
    const addresses = ranges.length > 0 ? [...STRANGERS, ALLOWED] : STRANGERS.slice(0, 1);
    for (const address of addresses.slice(1)) await send(some, address);
    const variations = variationsOf(http, chain, copy.unknown, segments, ours);
    // The doctor also chooses the results of conditions and maps, below, for all URLs.
    const isPath = lines.some(
      (one) =>
        one.name !== 'set' && CHOOSES.test(one.words) && free.chosenIn(beforeQuery(one)).length > 0,
    );
    const most = isPath ? some.length : Math.max(close.length, 200, 12_000 / variations.length);
    for (const one of variations)
      for (const address of addresses.filter((one) => one !== STRANGERS[1]))
        await send(some.slice(0, most), address, one);
    for (const one of choices(free, chain)) await send(some, ALLOWED, one);
    // A server block behind another one can believe a header that a client sends.
    const headers = chain
      .filter((one) => isInner(one, http))
      .map((one) => one.firstWord('real_ip_header') ?? 'X-Real-IP');
    for (const header of new Set(headers))
      for (const own of ranges) {
        const headers = { [header]: own };
        await send(some, STRANGERS[0], { headers, by: 'client', what: `${header}: ${own}` });
      }
  }
  const unreached = related
    .flatMap(([server]) => server.nested)
    .filter(
      (one) =>
        one.modifier.startsWith('~') &&
        !ours.has(one.file) &&
        !copy.blocks.some((context, id) => context === one && reached.has(id)) &&
        !isSampled(one.path),
    );
  return { leaks, asked, unreached, cut, free };
}

/** The first addresses of the ranges on which server blocks decide. */
function rangesIn(servers: readonly Location[], http: Http): readonly string[] {
  const lines = [http, ...servers].flatMap(directivesOf);
  const all = lines.filter(({ name, args }) => /^(allow|deny)$/.test(name) && args[0] !== 'all');
  return [...new Set(all.map(({ args: [range = ''] }) => range.replace(/\/.*/, '')))];
}

const rangesOf = (context: Context, ...names: string[]) =>
  context.effective(...names).flatMap(({ args: [range = ''] }) => (range === 'all' ? [] : range));

/** Whether each client can have an address that a block allows. */
function isForAll(context: Context): boolean {
  return rangesOf(context, 'allow', 'set_real_ip_from').some(isForEverybody);
}

function onlyFor(context: Context): string {
  const ranges = rangesOf(context, 'allow', 'deny');
  const more = ranges.some((one) => LOCAL.test(one) || one.startsWith('::1'))
    ? ', which is also the address of each request that another program on this machine passes on'
    : '';
  return `The address of the client decides: ${ranges.join(', ')}${more}`;
}

function folderWords(context: Context): string {
  return context
    .effective('root', 'alias')
    .map(({ words }) => words)
    .join(' ');
}
