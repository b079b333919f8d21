import type { Directive } from '../context.ts';
import { beforeQuery, CHOOSES, type Free, variablesIn } from '../proof/free.ts';
import { chainOf, directivesOf } from '../proof/requests.ts';
import type { SiteConfig, Trap } from '../site.ts';
import { blocksOf } from '../values.ts';
import { canBegin, isNear, perhaps, type Related } from './hidden-ways.ts';

/** The doctor chooses one condition, or the value of one variable, at a time. A way that needs two of them is a question. */
export function severalChoices(related: Related, site: SiteConfig, free: Free): readonly Trap[] {
  const { http, snippets } = site;
  const ours = snippets.map(({ file }) => file);
  const maps = http.own('map').filter(({ file }) => !ours.includes(file));
  return related.flatMap(([server, index]) => {
    const chain = chainOf(server, http);
    const all = chain.flatMap(directivesOf).filter(({ file }) => !ours.includes(file));
    const blocks = chain.flatMap(({ nested }) => nested).flatMap(blocksOf);
    const { path = '' } = site.folders[index] ?? {};
    const canOpen = (start: string, isFolder: boolean) =>
      isFolder
        ? start === '' || isNear(start, path, site)
        : blocks.some((one) => canBegin(start, one, path, site));
    const paths = all.filter(({ words }) => CHOOSES.test(words));
    const used = new Set(paths.flatMap(({ words }) => variablesIn(words)));
    const isUsed = (name = '') => used.has(name.slice(1).toLowerCase());
    const own = maps.filter(({ args }) => isUsed(args[1]));
    const joined = [
      ...paths.filter(({ name, args }) => name !== 'set' || isUsed(args[0])),
      ...own.flatMap(({ block = [] }) => block),
    ].find(joinsGroups([...all, ...own.flatMap(directivesOf)], canOpen));
    if (joined !== undefined) return perhaps(joined, joined.words, WHY_JOINED);
    const found = new Map<string, Directive>();
    for (const at of [...all, ...own])
      for (const one of choicesOf(at, all, free)) if (!found.has(one)) found.set(one, at);
    const [first = '', second] = [...found.keys()];
    const at = found.get(second ?? '');
    if (at === undefined) return [];
    const why = `The doctor chooses one condition or variable at a time, not ${first} with ${second}.`;
    return perhaps(at, at.words, why);
  });
}

/** What the doctor chooses if a line leads to a file: variables in a path, and a condition. */
function choicesOf(at: Directive, all: readonly Directive[], free: Free): readonly string[] {
  const { name, words, args } = at;
  if (free.ifs.includes(at)) {
    const inside = at.block ?? [];
    const values = inside.some(
      (one) =>
        one.name === 'set' && free.chosenIn(one.args[1] ?? '').some((v) => `$${v}` !== one.args[0]),
    );
    // The doctor chooses that a regex matches, but not the text of its groups.
    const groups = /~.*\((?!\?)/.test(words) && /[.*+{[\\]/.test(words) && inside.some(usesGroup);
    const opens = values || groups || inside.some((one) => leads(one, all));
    return [...(opens ? [words] : []), ...(groups ? [`the groups of ${words}`] : [])];
  }
  if (name === 'map') {
    // The doctor chooses an entry, but not the text of its groups.
    const isFree = free.maps.includes(at);
    const groups = (at.block ?? []).find((one) => /^~.*[.*+{[\\].* .*\$/s.test(one.words));
    return isFree && groups !== undefined ? [`$${args[1]?.slice(1)}`, groups.words] : [];
  }
  const isPath =
    /^(root|alias|try_files|index|auth_basic|proxy_pass|add_header x-accel-\S*) /i.test(words);
  const own =
    name === 'set'
      ? free.chosenIn(args[1] ?? '')
      : isPath || leads(at, all)
        ? free.chosenIn(beforeQuery(at))
        : [];
  // nginx uses one root or alias for a request.
  if (/^(root|alias)$/.test(name) && own.length === 1) return ['a root'];
  return name === 'set' && own.length < 2 ? [] : own.map((one) => `$${one}`);
}

/** Whether the constant beginning of a folder, or of a URL, can lead to the protected folder. */
type CanOpen = (start: string, isFolder: boolean) => boolean;

/** The doctor tries whole names for the groups of a regex, and not all texts of three of them. */
const WHY_JOINED =
  'The groups of a regex make a path together, and the doctor does not try each part of each name.';

/** Finds a path in which groups make a name with other text, as in `$1es` or `$1$2`, or which has more than two. */
function joinsGroups(all: readonly Directive[], canOpen: CanOpen) {
  const names = all.flatMap(({ words }) =>
    [...words.matchAll(/\(\?P?[<'](\w+)[>']/g)].flatMap(([, name]) => name ?? []),
  );
  const groups = new RegExp(`\\$\\{?(?:\\d|(?:${names.join('|') || '-'})\\b)\\}?`, 'gi');
  return (at: Directive): boolean => {
    const { name, args } = at;
    if (name === 'rewrite' && !leads(at, all)) return false;
    return (name === 'rewrite' ? args.slice(1, 2) : args).some((word) => {
      const path = word.replace(/\?.*/s, '').replace(/^\w+:\/\/[^/]*/, '');
      const text = path.replace(groups, '\0').replace(/\$\{?\w+\}?/g, '/');
      const count = new Set(path.match(/\$\{?\d/g)).size;
      const start = path.replace(/\$.*/s, '').replace(/[^/]*$/, '');
      const isJoined = count > 2 || /[\w-]\0|\0[\w\0-]/.test(text);
      return isJoined && canOpen(start, /^(root|alias)$/.test(name));
    });
  };
}

const usesGroup = ({ name, args }: Directive) =>
  /\$\{?\d/.test(args.slice(1).join(' ')) &&
  (name === 'set' || (name === 'rewrite' && !args[0]?.includes('(')));

/** Whether a line of an `if` leads to a file. A redirect does not. */
function leads({ name, args }: Directive, all: readonly Directive[]): boolean {
  const [first = '', to = '', flag = ''] = args;
  if (name === 'return')
    return all.some(
      (one) =>
        one.name === 'error_page' && one.args.includes(first) && /[@$]/.test(one.args.at(-1) ?? ''),
    );
  if (name === 'rewrite')
    return !/^(https?:|\$scheme)/.test(to) && !/^(redirect|permanent)$/.test(flag);
  return /^(root|alias|error_page|auth_basic|proxy_pass|break)$/.test(name);
}
