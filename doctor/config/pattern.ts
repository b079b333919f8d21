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

/** The constant text at the beginning. */
export function constantOf(pattern: string): string {
  const end = pattern.search(WILD);
  return end < 0 ? pattern : pattern.slice(0, end);
}
