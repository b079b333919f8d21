import { join } from 'node:path';

/** A path of nginx, which can be relative to its folder. */
export function absolutesOf(text: string, prefixes: readonly string[]): readonly string[] {
  if (text.startsWith('/')) return [text];
  return prefixes.map((prefix) => join(prefix, '/', text));
}
