import * as yaml from 'yaml';
import { API_KEY_FIELDS } from './clients.ts';
import { type ConfigErrors, quote, redact } from './errors.ts';
import { FILE_ONLY, SETTINGS } from './settings.ts';
import { readMapping, type SourcedValue, type SourcedValues, type Value } from './source.ts';

/** Returns a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** The settings in the file that `config` names; undefined, with issues, if it cannot be read. */
export function readConfigFile(
  config: SourcedValue,
  readFile: ReadFile,
  errors: ConfigErrors,
): SourcedValues | undefined {
  const text = readText(config, readFile, errors);
  return text === undefined ? undefined : parse(String(config.value), text, errors);
}

/** The text of the file that a setting names; undefined, with an issue, if it cannot be read. */
export function readText(
  setting: SourcedValue,
  readFile: ReadFile,
  errors: ConfigErrors,
): string | undefined {
  try {
    return readFile(String(setting.value));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return errors.add(setting, `the path of a readable file: ${WHY[code] ?? 'it cannot be read'}`);
  }
}

function parse(path: string, text: string, errors: ConfigErrors): SourcedValues | undefined {
  const lines = new yaml.LineCounter();
  // Not prettyErrors: they quote the line, and it may contain a key.
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
  });
  const found = [...document.errors, ...document.warnings];
  // After the first error the others are guesses, except for duplicate keys.
  const first = found.find(({ code }) => code !== 'DUPLICATE_KEY');
  for (const error of found) {
    const { code, pos } = error;
    if (error !== first && code !== 'DUPLICATE_KEY') continue;
    const { line, col } = lines.linePos(pos[0]);
    const where = `${path}:${line}:${col}`;
    // Not the parser's own message: it quotes the text, which may be a secret.
    const expected = EXPECTED[code] ?? 'the parser cannot read this';
    errors.add({ field: 'the file', where }, `valid YAML: ${expected}`);
  }
  if (found.length > 0) return undefined;

  const before = errors.count;
  const whereIs = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const root = toSourced(document.contents, whereIs, errors);
  if (errors.count > before) return undefined;
  // Empty, or only comments.
  return root.value === null ? new Map() : readMapping(root, [...SETTINGS, ...FILE_ONLY], errors);
}

const EXPECTED: Partial<Record<yaml.ErrorCode, string>> = {
  BAD_INDENT: 'entries of one mapping or list that begin in the same column',
  BAD_SCALAR_START: 'quotes around a value that begins with @ or `',
  BLOCK_AS_IMPLICIT_KEY: 'one "key: value" per line, and quotes around a value that contains ": "',
  DUPLICATE_KEY: 'each key once: this key is already set',
  MISSING_CHAR: 'a closing quote or bracket, or a colon after the key',
  MULTIPLE_DOCS: 'one document: no --- after the first line',
  NON_STRING_KEY: 'plain text as a key',
  TAB_AS_INDENT: 'spaces for indentation, not tabs',
  TAG_RESOLVE_FAILED: 'no tag: a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'quotes around a value that begins with [ or {, such as "[::1]:7300"',
};

/** The values of a YAML document with their sources. `whereIs` gives file and line of an offset. */
function toSourced(
  root: yaml.Node | null,
  whereIs: (offset: number) => string,
  errors: ConfigErrors,
): SourcedValue {
  return convert(root, root, '', '');

  /** `start` is where a person looks: the key of a value, the item of a list. */
  function convert(
    node: yaml.Node | null,
    start: yaml.Node | null,
    field: string,
    setting: string,
  ): SourcedValue {
    const where = whereIs((start ?? node)?.range?.[0] ?? 0);
    const value = convertValue(node, field, setting, where);
    const shown = redact(setting, value);
    return {
      field: field === '' ? 'the file' : field,
      where,
      value,
      ...(shown !== undefined && { shown }),
    };
  }

  function convertValue(
    node: yaml.Node | null,
    field: string,
    setting: string,
    where: string,
  ): Value {
    if (yaml.isMap<yaml.Scalar<string>, yaml.Node | null>(node)) {
      const dot = field === '' ? '' : '.';
      return new Map(
        node.items.map(({ key, value }) => {
          const name = field + dot + keyName(key.value, setting);
          return [key.value, convert(value, key, name, `${setting}${dot}${key.value}`)];
        }),
      );
    }
    if (yaml.isSeq<yaml.Node | null>(node)) {
      return node.items.map((item, index) => convert(item, item, `${field}[${index}]`, setting));
    }
    if (yaml.isAlias(node)) {
      errors.add({ field, where }, 'no alias: a value that begins with * needs quotes');
    }
    return yaml.isScalar(node) ? (node.value as Value) : null;
  }
}

/** A key as a report names it. An unknown key in an API key's entry may be a secret. */
function keyName(key: string, setting: string): string {
  if (setting === 'api_keys' && !API_KEY_FIELDS.includes(key)) return '?';
  return /^[\w-]{1,40}$/.test(key) ? key : quote(key);
}
