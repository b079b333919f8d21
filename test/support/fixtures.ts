import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** The lines of a file in test/fixtures/, without comments (`// …`) and empty lines. */
export function linesOf(name: string): string[] {
  const text = readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('// '));
}

/** A line with its `\xNN` and `\uNNNN` escapes resolved. */
export function unescaped(line: string): string {
  return line.replace(/\\x([0-9a-f]{2})|\\u([0-9a-f]{4})/gi, (_, byte, unit) =>
    String.fromCharCode(Number.parseInt(byte ?? unit, 16)),
  );
}

/** The lines of a file whose fields have ` | ` between them, with their escapes resolved. */
export const fieldsOf = (name: string): string[][] =>
  linesOf(name).map((line) => line.split(/ \| ?/).map(unescaped));

/** The object in a field, as JSON, in which `"-"` is for undefined. */
export const objectOf = (json = '{}'): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(JSON.parse(json)).map(([name, value]) => [
      name,
      value === '-' ? undefined : value,
    ]),
  );

/** A file in YAML. */
export const yamlOf = (name: string) =>
  parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8'));

/** The texts of a file by the titles above them, `### …`. */
export function textsOf(name: string): Array<[title: string, text: string]> {
  const [, ...parts] = linesOf(name).join('\n').split(/^### /m);
  return parts.map((part) => part.split(/\n(.*)/s).slice(0, 2) as [string, string]);
}

/** Names of files that are legal and unusual. */
export const NAMES = linesOf('legal-names.txt').map(unescaped);

/** A string of which each character up to U+00FF is a byte; others are UTF-8. */
export function bytes(target: string): Buffer {
  const parts = [...target].map((one) =>
    Buffer.from(one, one.charCodeAt(0) > 0xff ? 'utf8' : 'latin1'),
  );
  return Buffer.concat(parts);
}
