import { CUT_NAME, CUT_PATH, NAME, PATH } from './pattern.ts';

/**
 * The pattern of what a group of a regex captures from a normalized URI, or from another text that is any part of
 * `subject`. Undefined if there is no such group.
 */
export function captured(regex: string, group: string, subject?: string): string | undefined {
  const { start, end } = groupsOf(regex).find(({ number, name }) =>
    /^\d$/.test(group) ? number === Number(group) : name === group,
  ) ?? { start: 0, end: -1 };
  if (end < 0) return undefined;
  const inner = regex.slice(start, end).replace(/^\^/, '');
  const before = regex.slice(0, start).replace(/(\((\?(:|P?<\w+>|'\w+'))?)+$/, '');
  const after = regex.slice(end).replace(/^(\)\??)+/, '');
  if (HAS_NO_DOT.test(inner)) return NAME;
  if (subject !== undefined) return subject;
  // `(.+?)(/.*)?$` ends at the first slash, because the rest always matches.
  const isName = staysInName(inner) || (/^\.[+*]\?$/.test(inner) && after === '(/.*)?$');
  const begins = /^\\?\/[^|]*$/.test(inner) || /[/^]$/.test(before) || regex[start] === '^';
  const ends = /^(\$|\\?\/|\(\\?\/)/.test(after) || (after === '' && /[+*]$/.test(inner));
  if (begins && ends) return isName ? NAME : PATH;
  return isName ? CUT_NAME : CUT_PATH;
}

/** Words, and sets of letters and digits. They are never `..`, which `\x2e` and `[--9]` match. */
const HAS_NO_DOT = /^(?!.*(?:\\[^dw-]|--[^\]]))(\[[\w\\-]+\]|\\[dw]|[\w|-])+[*+?{},\d]*$/;

/** Whether a part of a regex cannot match a slash. */
function staysInName(inner: string): boolean {
  if (/\\[A-Z]/.test(inner)) return false;
  const rest = inner
    .replace(/\[\^[^\]]*\/[^\]]*\]|\[[^\]/^][^\]/]*\]/g, 'x')
    .replace(/\\[.dw-]/g, 'x');
  return !/[/.[\\]/.test(rest);
}

/** The capturing groups, with the positions of their content. */
function groupsOf(regex: string) {
  const groups: Array<{ number: number; name: string | undefined; start: number; end: number }> =
    [];
  const open: Array<(typeof groups)[number] | undefined> = [];
  const parts = /\\.|\[\^?\]?(?:\\.|[^\]])*\]|\((\?(?:P?<(\w+)>|'(\w+)')|\?)?|\)/gs;
  for (const { 0: all, 1: kind, 2: name, 3: quoted, index } of regex.matchAll(parts)) {
    if (all === ')') {
      const group = open.pop();
      if (group) group.end = index;
    } else if (all.startsWith('(')) {
      const start = index + all.length;
      const group =
        kind === '?'
          ? undefined
          : { number: groups.length + 1, name: name ?? quoted, start, end: -1 };
      if (group) groups.push(group);
      open.push(group);
    }
  }
  return groups;
}

/** The constant text with which every match begins. */
export function beginningOf(regex: string): string {
  if (hasAlternatives(regex)) return '';
  return /^\^((?:[\w/-](?![*+?{]))*)/.exec(regex)?.[1] ?? '';
}

/** Whether it has a `|` outside of each group. */
function hasAlternatives(regex: string): boolean {
  const group = /\([^()]*\)/g;
  let outside = regex.replace(/\\[\s\S]/g, '');
  while (outside.search(group) >= 0) outside = outside.replace(group, '');
  return outside.includes('|');
}
