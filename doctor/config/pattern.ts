import { posix } from 'node:path';

// A pattern is a path in which these characters, of the private use area, stand for parts that are not constant.

/** Any text without a slash. */
export const NAME = '\uE000';
/** Any part of a normalized path: it has no segment `..`, because nginx has resolved them. */
export const PATH = '\uE001';
/** The same, but it begins or ends inside a segment of the URI: it can be `..` itself, or begin with `../`. */
export const CUT_NAME = '\uE002';
export const CUT_PATH = '\uE003';
/** What a client chooses, or what the doctor does not know. */
export const ANY = '\uE004';

/** The folder of nginx, if it is unknown. */
export const PREFIX = '\uE005';

const WILD = /[\uE000-\uE005]/;
const MAX_SPELLINGS = 64;
const MAX_WILD = 8;

/** The constant text at the beginning. */
export function constantOf(pattern: string): string {
  const end = pattern.search(WILD);
  return end < 0 ? pattern : pattern.slice(0, end);
}

/** The normalized patterns of all files that a pattern names, with each `..` that it can contain. */
export function spellings(pattern: string): readonly string[] {
  // Each of them multiplies the ways to read a pattern.
  if (pattern.split(WILD).length > MAX_WILD) return [ANY];
  const found = spelled(pattern.split('/'), 1);
  return found.length > MAX_SPELLINGS ? [ANY] : [...new Set(found.map(normalized))];
}

function spelled(segments: readonly string[], from: number): readonly string[] {
  const at = segments.findIndex((segment, index) => index >= from && canBeParent(segment));
  if (at < 0) return [segments.join('/')];
  const rest = (text: string) => [...segments.slice(0, at), text, ...segments.slice(at + 1)];
  const own = segments[at] ?? '';
  const up = /[\uE001\uE003]/.test(own) ? ['..', `../${PATH}`] : ['..'];
  return [own, ...up].flatMap((text) => spelled(rest(text), at + text.split('/').length));
}

/** A part that is cut, or parts beside each other or beside dots, can be `..` together. */
function canBeParent(segment: string): boolean {
  const wild = segment.match(/[\uE000-\uE003]/g) ?? [];
  const fixed = segment.replace(/[\uE000-\uE003]/g, '');
  if (wild.length === 0 || !/^\.{0,2}$/.test(fixed)) return false;
  return wild.length > 1 || fixed !== '' || /[\uE002\uE003]/.test(segment);
}

function normalized(pattern: string): string {
  const plain = pattern.replaceAll(CUT_NAME, NAME).replaceAll(CUT_PATH, PATH);
  // What `..` removes is unknown.
  if (/[\uE000-\uE005][^/]*(\/[^/]*)*?\/\.\.(\/|$)/.test(plain)) return ANY;
  return posix.normalize(plain);
}

/** Whether a pattern can name a file in a folder, which ends with a slash. */
export function reaches(pattern: string, folder: string, i = 0, j = 0): boolean {
  if (j === folder.length) return true;
  const [one, next] = [pattern[i], folder[j] ?? ''];
  if (one === undefined) return false;
  // The folder of nginx is not below the protected one.
  if (one === PREFIX) {
    return [...folder.matchAll(/\/(?=.)/g)].some(({ index }) => reaches(pattern, folder, 1, index));
  }
  if (!WILD.test(one)) {
    // An empty part leaves two slashes, which are one.
    if (one === '/' && folder[j - 1] === '/' && reaches(pattern, folder, i + 1, j)) return true;
    return one === next && reaches(pattern, folder, i + 1, j + 1);
  }
  if (reaches(pattern, folder, i + 1, j)) return true;
  return !(one === NAME && next === '/') && reaches(pattern, folder, i, j + 1);
}
