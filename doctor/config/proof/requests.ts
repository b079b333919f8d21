import { posix } from 'node:path';
import { ownListen } from '../addresses.ts';
import type { Directive, Http, Location } from '../context.ts';
import { absolutesOf } from './folders.ts';
import type { Marked } from './mirror.ts';
import { MAX_TEXTS, MOST, samplesOf } from './sample.ts';

/** All directives of a server block, with those in its locations. */
export function directivesOf(at: Directive): readonly Directive[] {
  return [at, ...(at.block ?? []).flatMap(directivesOf)];
}

/** The server blocks that a server block passes requests on to, and itself. */
export function chainOf(
  server: Location,
  http: Http,
  seen = new Set<Location>(),
): readonly Location[] {
  if (seen.has(server)) return [];
  seen.add(server);
  const to = directivesOf(server)
    .filter(({ name }) => name === 'proxy_pass')
    .flatMap(({ args: [url = ''] }) => {
      const listen = ownListen(url.replace(/\$.*/s, ''), http)?.listen;
      return http.servers.filter((one) => listen !== undefined && one.listens.includes(listen));
    });
  return [server, ...to.flatMap((one) => chainOf(one, http, seen))];
}

/** The folders of the `alias` lines, up to the first variable. */
export function aliasesOf(servers: readonly Location[], prefix: string): readonly string[] {
  const folders = servers
    .flatMap(({ nested }) => nested)
    .flatMap((one) => one.own('alias'))
    .flatMap(({ args: [text = ''] }) => absolutesOf(text.replace(/\$.*/s, ''), [prefix]))
    .map((one) => posix.normalize(one));
  return [...new Set(folders)];
}

/** Values of a variable that can lead to the files of a folder. */
export function segmentsOf(
  folder: string,
  files: readonly Marked[],
  servers: readonly Location[],
): readonly string[] {
  const above = `../${folder.split('/').at(-2)}`;
  const names = files.map(({ path }) => path.slice(folder.length));
  const inner = servers.flatMap(({ nested }) => nested).filter((one) => one.has('internal'));
  const starts = [...new Set(inner.map(({ path }) => path.replace(/\/?$/, '/')))];
  return [
    ...new Set([
      ...folder.split('/').filter(Boolean),
      folder,
      folder.slice(1),
      ...names.flatMap((name) => [name, `${above}/${name}`]),
      above,
      ...starts.flatMap((start) => names.flatMap((name) => [start + name, start.slice(1) + name])),
    ]),
  ];
}

/** The ends of a path: `a.txt`, `files/a.txt`, `srv/files/a.txt`. */
function endsOf(path: string): readonly string[] {
  const parts = path.split('/').slice(1);
  return parts.map((_, index) => parts.slice(index).join('/')).toReversed();
}

/** Paths of URLs that can lead to a file or a location. Regexes with more than `mostParts` parts of any text have none. */
export function targetsOf(
  servers: readonly Location[],
  paths: readonly string[],
  aliases: readonly string[],
  ours: ReadonlySet<string>,
  mostParts: number,
  onCut: () => void,
): readonly string[] {
  // A folder can lead to a file, too.
  const folders = paths.map((path) => path.replace(/[^/]*$/, ''));
  const ends = [...new Set([...paths, ...folders].flatMap(endsOf))];
  const lines = servers.flatMap(directivesOf).filter(({ file }) => !ours.has(file));
  const starts = new Set(['/']);
  const found = new Set<string>();
  const regexes = new Set<string>();
  for (const { name, args } of lines) {
    if (name === 'rewrite') regexes.add(args[0] ?? '');
    if (name === 'if' && /^~\*?$/.test(args[1] ?? ''))
      regexes.add((args[2] ?? '').replace(/\)$/, ''));
  }
  const locations = servers.flatMap((one) => one.nested).filter(({ file }) => !ours.has(file));
  for (const { modifier, path, isPrefix } of locations) {
    if (modifier === '=') found.add(path);
    else if (isPrefix) {
      starts.add(path);
      starts.add(path.replace(/\/?$/, '/'));
      // Such as /static../files/a.txt.
      if (!path.endsWith('/')) for (const end of ends) found.add(`${path}../${end}`);
    } else if (modifier.startsWith('~')) regexes.add(path);
  }
  for (const one of starts) found.add(one);
  for (const one of [...starts]) {
    if (servers.length > 1) for (const two of [...starts]) starts.add(one.replace(/\/$/, '') + two);
    if (starts.size > MOST) break;
  }
  const parts = paths.flatMap((path) => path.split('/').slice(1));
  const plain = [
    ...new Set([
      '',
      'a',
      '1',
      '..',
      ...parts,
      ...parts.map((one) => one.replace(/\.\w+$/, '')),
      ...ends,
    ]),
  ];
  const fillers = [
    ...new Set([
      ...plain,
      'a.txt',
      ...ends.flatMap((end) => [`/${end}`, `../${end}`, `/../${end}`]),
      ...paths.flatMap((path) =>
        aliases.flatMap((one) => (path.startsWith(one) ? [path.slice(one.length)] : [])),
      ),
    ]),
  ];
  const rests = [
    ...ends,
    ...paths.flatMap((path) =>
      aliases.flatMap((one) => (path.startsWith(one) ? [path.slice(one.length)] : [])),
    ),
  ];
  for (const start of starts) for (const rest of rests) found.add(start + rest);
  for (const regex of regexes) {
    const parts = (regex.match(/[*+{]/g) ?? []).length;
    const texts = parts > mostParts ? [] : samplesOf(regex, parts < 2 ? fillers : plain);
    if (texts.length >= MAX_TEXTS) onCut();
    for (const text of texts) {
      const path = text.startsWith('/') ? text : `/${text}`;
      found.add(path);
      if (!regex.startsWith('^'))
        for (const start of starts) found.add(start.replace(/\/$/, '') + path);
    }
  }
  return [...found];
}

/** A path as the request line has it. */
export function encoded(path: string): string {
  return encodeURI(path).replace(/[?#]/g, (one) => (one === '?' ? '%3F' : '%23'));
}

/** Other spellings of a path, which nginx reads as the same file. */
export function spellingsOf(target: string): readonly string[] {
  const first = target.search(/[a-z0-9]/i);
  const code = target.charCodeAt(first).toString(16);
  const coded = first < 0 ? target : `${target.slice(0, first)}%${code}${target.slice(first + 1)}`;
  return [
    `/${target}`,
    `/.${target}`,
    `/x/..${target}`,
    coded,
    target.replace(/(?<=.)\//, '//'),
    target.replace(/(?<=.)\//, '/./'),
    posix.join(posix.dirname(target), posix.basename(target).toUpperCase()),
    `${target}?x=1`,
  ];
}

export function decoded(target: string): string {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

/** The different beginnings of URLs and of the files for which nginx looked, without their common end. */
export function beginnings(
  all: ReadonlyArray<readonly [url: string, file: string]>,
): ReadonlyArray<readonly [url: string, file: string]> {
  const found = all.map(([url, file]) => {
    let end = 0;
    while (end < url.length - 1 && url.at(-1 - end) === file.at(-1 - end)) end += 1;
    return [url.slice(0, url.length - end), file.slice(0, file.length - end)] as const;
  });
  return [...new Map(found.map((one) => [one.join('\0'), one])).values()];
}
