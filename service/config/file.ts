import * as yaml from 'yaml';
import { API_KEY_FIELDS } from './clients.ts';
import type { ConfigErrors } from './errors.ts';
import { FILE_ONLY, SETTINGS } from './settings.ts';
import { readable, redact } from './shown.ts';
import {
  type ReadFile,
  readMapping,
  readText,
  type SourcedValue,
  type SourcedValues,
  type Value,
} from './source.ts';

/** The settings in the file that `config` names; undefined, with issues, if it cannot be read. */
export function readConfigFile(
  config: SourcedValue,
  readFile: ReadFile,
  errors: ConfigErrors,
): SourcedValues | undefined {
  const path = String(config.value);
  const text = readText(path, readFile, (expected) => errors.add(config, expected));
  return text === undefined ? undefined : parse(path, text, errors);
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
  // Only the first error is reliable, and errors about duplicate keys.
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
  const { contents } = document;
  const root = toSourced(contents, contents, '', '', whereIs, errors);
  if (errors.count > before) return undefined;
  // Empty, or only comments.
  return root.value === null ? new Map() : readMapping(root, [...SETTINGS, ...FILE_ONLY], errors);
}

const EXPECTED: Partial<Record<yaml.ErrorCode, string>> = {
  BAD_INDENT: 'entries of one mapping or list that begin in the same column',
  BAD_SCALAR_START: 'quotes around a value that begins with @ or `',
  BLOCK_AS_IMPLICIT_KEY: 'one "key: value" per line, and quotes around a value that contains ": "',
  DUPLICATE_KEY: 'each key once: this key is already set',
  MISSING_CHAR:
    'a closing quote or bracket, a colon after the key, or all fields of an entry in one column',
  MULTIPLE_DOCS: 'one document: no --- after the first line',
  NON_STRING_KEY: 'plain text as a key',
  TAB_AS_INDENT: 'spaces for indentation, not tabs',
  TAG_RESOLVE_FAILED: 'no tag: a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'quotes around a value that begins with [ or {, such as "[::1]:7300"',
};

/**
 * A value of a YAML document with its source. `start` is the node whose line an error names: the key of a value,
 * or the item of a list. `whereIs` returns file and line of an offset.
 */
function toSourced(
  node: yaml.Node | null,
  start: yaml.Node | null,
  field: string,
  setting: string,
  whereIs: (offset: number) => string,
  errors: ConfigErrors,
): SourcedValue {
  const source = { field: field || 'the file', where: whereIs((start ?? node)?.range?.[0] ?? 0) };
  const value = read();
  return { ...source, value, shown: redact(setting, value) };

  function read(): Value {
    if (yaml.isMap<yaml.Scalar<string>, yaml.Node | null>(node)) {
      const dot = field && '.';
      const entries = node.items.map(({ key, value }) => {
        const name = field + dot + keyName(key.value, setting);
        const path = setting + dot + key.value;
        return [key.value, toSourced(value, key, name, path, whereIs, errors)] as const;
      });
      return new Map(entries);
    }
    if (yaml.isSeq<yaml.Node | null>(node)) {
      return node.items.map((item, index) =>
        toSourced(item, item, `${field}[${index}]`, setting, whereIs, errors),
      );
    }
    if (yaml.isAlias(node)) errors.add(source, 'no alias: a value that begins with * needs quotes');
    return yaml.isScalar(node) ? (node.value as Value) : null;
  }
}

/** A key as a report names it. A secret can be in the place of a key. */
function keyName(key: string, setting: string): string {
  if (setting === 'api_keys' && !API_KEY_FIELDS.includes(key)) return '?';
  return /^\w{1,40}$/.test(key) && readable(key) ? key : '?';
}
