import { dirname } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import { version as currentVersion, readSnippet } from '../../../common/package.ts';
import type { Context, Directive, Http, Location } from '../context.ts';
import { parse } from '../parse.ts';
import { includes, type Rule, type SiteConfig, type SnippetFile, type Trap } from '../site.ts';

export const snippetRules: Readonly<Record<string, Rule>> = {
  'missing-snippet': missing,
  'edited-snippet': ({ snippets }) => snippets.flatMap(edited),
  'cache-folder': cacheFolder,
};

const WHY = {
  'protect.conf': 'It asks the gate, and serves only the file that the gate allowed.',
  'x-accel.conf':
    'It asks the gate, and keeps headers of the client and cached responses away from the decision.',
  'auth-request.conf':
    'It has the locations that ask the gate, deliver files and send denials: without them each request ends in an error, or another location answers.',
  'internal.conf':
    'Without it any client can request the files by this prefix, or an SSI page or a rewrite of the site sends them, and caches store them.',
  'internal-proxy.conf':
    "Without it the other server receives the client's tokens and cookies, nginx may store the file, and any internal redirect of the site leads here.",
  'slices.conf':
    'Without it nginx sends the whole file at once, and the inner block believes headers of the requester.',
  'inner.conf':
    'Without it a download that outlasts its token ends, and every requester has the same address.',
  'http.conf':
    'It has the log format without tokens, and the Content-Security-Policy without which an uploaded page has the rights of your site.',
};

function missing(site: SiteConfig): readonly Trap[] {
  const { http, servers, passing, gates, internals, slices } = site;
  const isInner = ({ server }: Location) => slices.inners.includes(server);
  const need = (context: Context, name: keyof typeof WHY): readonly Trap[] => {
    if (includes(site, context, name)) return [];
    const seen = `${context.words} does not include postern/${name}`;
    return [{ at: context, seen, why: WHY[name], fix: including(site, context, name) }];
  };
  const isProxy = (context: Context) => context.has('proxy_pass');
  return [
    ...gates.flatMap((one) => need(one, passing.includes(one) ? 'x-accel.conf' : 'protect.conf')),
    ...internals.flatMap((one) =>
      need(one, isProxy(one) ? 'internal-proxy.conf' : 'internal.conf'),
    ),
    ...servers.flatMap((server) => need(server, 'auth-request.conf')),
    ...slices.outers.flatMap((one) => need(one, 'slices.conf')),
    ...[...servers, ...internals].filter(isInner).flatMap((one) => need(one, 'inner.conf')),
    ...(gates.length > 0 ? need(http, 'http.conf') : []),
  ];
}

/** nginx accepts these lines beside a snippet that has them. */
const REPEATABLE =
  /^(if|set|location|include|map|add_header|error_page|auth_request_set|proxy_\w+_header)$/;

/** The include of a snippet, and the lines that it replaces: nginx would reject or repeat them beside it. */
function including(site: SiteConfig, context: Context, name: string): string {
  const lines = linesIn(name);
  const names = lines.filter((one) => !REPEATABLE.test(one.name)).map((one) => one.name);
  const texts = new Set(lines.map(sourceOf));
  const ours = site.snippets.map(({ file }) => file);
  const copied = context.block.filter(
    (one) => !ours.includes(one.file) && (names.includes(one.name) || texts.has(sourceOf(one))),
  );
  const isOther = name !== 'inner.conf' && includes(site, context, 'internal.conf');
  const others = isOther ? ['include postern/internal.conf;'] : [];
  const duplicates = [...others, ...copied.map(sourceOf)].join(' ');
  const removed = duplicates && ` instead of: ${duplicates}`;
  return `in ${context.titleAt}: include postern/${name};${removed}`;
}

/** A directive with its block, as text that nginx reads as the same. */
function sourceOf(one: Directive): string {
  if (one.block === undefined) return one.text;
  return `${one.text.slice(0, -1)} { ${one.block.map(sourceOf).join(' ')} }`;
}

/** The directives of a snippet, with those of the snippets that it includes. */
export function linesIn(snippet: string): readonly Directive[] {
  return parse(readSnippet(snippet), snippet).flatMap((one) =>
    one.name === 'include' ? linesIn((one.args[0] ?? '').replace('postern/', '')) : one,
  );
}

/** Compares the directives, so comments and spaces may differ. The rule `version` finds another version. */
function edited({ file, name, text, version }: SnippetFile): Trap | readonly Trap[] {
  const packaged = version === currentVersion() ? tryTo(() => readSnippet(name)) : undefined;
  if (packaged === undefined) return [];
  const [here, there] = [linesOf(parse(text, file)), linesOf(parse(packaged, name))];
  if ([...here.keys()].join() === [...there.keys()].join()) return [];
  const lacks = [...there.keys()].find((words) => !here.has(words));
  const added = [...here.keys()].find((words) => !there.has(words));
  return {
    at: { file, line: here.get(added ?? '') ?? 1 },
    seen: `${name} was edited: it ${lacks ? `lacks ${lacks}` : `has ${added ?? 'its lines in another order'}`}`,
    why: 'Each line of a snippet stops a known attack, or keeps downloads working. The comments of the snippet say which.',
    fix: `postern nginx --upgrade --out ${dirname(dirname(file))}`,
  };
}

/** Each directive after the blocks around it, with its line. */
function linesOf(block: readonly Directive[], outside = ''): ReadonlyMap<string, number> {
  return new Map(
    block.flatMap(({ text, line, block: inner = [] }) => [
      [outside + text, line] as const,
      ...linesOf(inner, `${outside}${text.slice(0, -1)}: `),
    ]),
  );
}

/** cache.conf without the line that says where the cache is, which `nginx -t` does not notice. */
function cacheFolder({ http }: SiteConfig): readonly Trap[] {
  const [map, zone] = cacheZone(http);
  if (map === undefined || cachePath(http).length > 0) return [];
  const seen = `cache.conf without a proxy_cache_path for the zone ${zone}`;
  const why = 'nginx caches nothing, and writes each request to its error log, with the token.';
  const path = `proxy_cache_path /run/postern-decisions keys_zone=${zone}:512k;`;
  return [{ at: map, seen, why, fix: `in ${http.titleAt}: ${path}` }];
}

/** The line with the folder of the decision cache. */
export function cachePath(http: Http): readonly Directive[] {
  const [, zone] = cacheZone(http);
  const isOurs = (word: string) => word.startsWith(`keys_zone=${zone}:`);
  return http.own('proxy_cache_path').filter(({ args }) => args.some(isOurs));
}

/** The map of cache.conf that turns the cache on, and the zone in it. */
function cacheZone(http: Http): readonly [Directive, string] | readonly [] {
  const map = http.map('$postern_decisions');
  const zone = map?.block?.flatMap(({ args }) => args).find((value) => value !== '');
  return map === undefined || zone === undefined ? [] : [map, zone];
}
