import { posix } from 'node:path';
import { isForEverybody } from '../addresses.ts';
import type { Context, Directive, Http, Location } from '../context.ts';
import { type Ask, askAll, type CopyReply } from './ask.ts';
import { ANSWERS_OF_COPY, type Copy } from './copy.ts';
import type { Free } from './free.ts';
import type { Folder, Marked, Mirror } from './mirror.ts';
import type { Binary } from './nginx.ts';
import { clientsOf, rangesIn } from './ranges.ts';
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
import { isSampled } from './sample.ts';
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
  /** Server blocks with more URLs or values than the doctor asks for. */
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
const MAX_ASKS = 12_000;
const MAX_TARGETS = 5_000;
const MAX_VARIATIONS = 120;

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
        .flatMap(({ path }) => [path, ...other(path).slice(0, 6)])
        // With gzip_static, the URL lacks this end.
        .flatMap((one) => (one.endsWith('.gz') ? [one, one.slice(0, -3)] : one));
    const aliases = aliasesOf(chain, prefix);
    const folder = folders[index]?.path ?? '/';
    const segments = segmentsOf(folder, main, chain);
    const whole = chain.flatMap(directivesOf);
    const hasAnswers =
      whole.some(({ name }) => /_pass$|_by_lua|^js_content$/.test(name)) &&
      (http.has('error_page') ||
        whole.some(({ name }) => /^(auth_request|error_page)$/.test(name)));
    const bases = basesOf(server, copy, lines);
    const send = async (
      targets: readonly string[],
      variation: Variation | undefined,
      answer: string,
      address: string,
      isOk: true | string,
    ) => {
      for (const base of bases) {
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
              'Doctor-Answer': answer,
              ...variation?.headers,
            },
          }),
        );
        asked += asks.length;
        const replies = await askAll(base.socket, asks);
        for (const [at, reply] of replies.entries())
          take(reply, asks[at] as Ask, targets[at] ?? '', base, variation, isOk);
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
      isOk: true | string,
    ) => {
      const ids = [.../^Doctor: (\d+)/gm[Symbol.matchAll](reply.head)].map(([, id]) => Number(id));
      for (const id of ids) reached.add(id);
      if (!reply.body.includes(`${secret}:${index}:`)) return;
      const context = copy.blocks[ids[0] ?? -1];
      if (context === undefined) return;
      const path = decoded(target).replace(/\?.*/s, '');
      const file = [...files, ...others].find((one) =>
        path.endsWith(one.path.slice(folder.length)),
      ) ??
        main[0] ?? { path: folder, folder: index, isReal: false };
      const root = /^Doctor-Root: (.*)\r$/m.exec(reply.head)?.[1] ?? '';
      const uri = /^Doctor-Uri: (.*)\r$/m.exec(reply.head)?.[1] ?? path;
      const isFollowed =
        root.startsWith(mirror.at('/')) && root !== mirror.at('/').replace(/\/$/, '');
      const because =
        isOk !== true
          ? isOk
          : variation?.by === 'unknown'
            ? variation.what
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
    const limited = <T>(every: readonly T[], most: number): readonly T[] => {
      if (every.length > most) cut.add(pair);
      return every.slice(0, most);
    };
    const targetsFor = (from: readonly Location[], paths: readonly string[]) =>
      limited(targetsOf(from, paths, aliases, ours), MAX_TARGETS).map(encoded);
    const variations = [
      ...limited(variationsOf(http, chain, copy.unknown, segments, ours), MAX_VARIATIONS),
      ...choices(free, chain),
    ];
    const first = targetsFor(chain, names(main));
    const real = names(files.filter(({ isReal }) => isReal));
    const each = targetsFor([server], real);
    const all = targetsFor([server], names(files));
    const targets = [
      ...new Set([
        ...first,
        ...each,
        ...(all.length < 1_500 ? all : all.filter((one) => /^\/[^/]*(\/[^/]*)?$/.test(one))),
      ]),
    ];
    const answers = hasAnswers
      ? ANSWERS_OF_COPY.filter((one) => one !== '200')
      : ANSWERS_OF_COPY.slice(0, 1);
    for (const answer of answers) await send(targets, undefined, answer, STRANGERS[0], true);
    const close = [...near.keys()].filter((one) => !one.includes('?'));
    const below = beginnings(close.map((one) => [decoded(one), near.get(one) ?? '']));
    const every = [...files, ...others].flatMap(({ path }) =>
      [path, ...other(path)].flatMap((one) =>
        below.flatMap(([url, top]) =>
          mirror.at(one).startsWith(top) ? encoded(url + mirror.at(one).slice(top.length)) : [],
        ),
      ),
    );
    const more = [...new Set([...close.slice(0, 200).flatMap(spellingsOf), ...every])].slice(
      0,
      4_000,
    );
    await send(more, undefined, answers[0] ?? '502', STRANGERS[0], true);
    const some = [...new Set([...close, ...targets])].slice(
      0,
      Math.max(200, Math.floor(MAX_ASKS / Math.max(1, variations.length))),
    );
    for (const one of variations)
      for (const answer of answers.slice(0, 1)) await send(some, one, answer, STRANGERS[0], true);
    // Addresses.
    const ranges = rangesIn([server, ...chain], http);
    if (ranges.size > 0) {
      await send(
        close.length > 0 ? close : targets,
        undefined,
        answers[0] ?? '502',
        STRANGERS[1],
        true,
      );
      const isChosen = [server, ...server.nested].some((one) =>
        one.effective('set_real_ip_from').some(({ args: [range = ''] }) => isForEverybody(range)),
      );
      const most = Math.max(200, Math.floor(MAX_ASKS / ranges.size));
      const headers = chain
        .filter((one) => isInner(one, http))
        .map((one) => one.firstWord('real_ip_header') ?? 'X-Real-IP');
      for (const range of ranges) {
        for (const [own, who] of clientsOf(range, isChosen)) {
          await send(some.slice(0, most), undefined, answers[0] ?? '502', own, who);
          for (const header of new Set(headers))
            await send(
              targets,
              { headers: { [header]: own }, by: 'client', what: `${header}: ${own}` },
              answers[0] ?? '502',
              STRANGERS[0],
              true,
            );
        }
      }
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
  return { leaks, asked, unreached, cut };
}

function folderWords(context: Context): string {
  return context
    .effective('root', 'alias')
    .map(({ words }) => words)
    .join(' ');
}
