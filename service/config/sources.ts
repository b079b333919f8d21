import * as yaml from 'yaml';
import { apiKeysOfText } from './clients.ts';
import { type ConfigErrors, type Source, shown } from './errors.ts';
import { type Environment, type Outside, readText } from './files.ts';
import { mountsOfText } from './mounts.ts';
import { API_VARIABLES, CONFIG_VARIABLE, FILE_ONLY, SETTINGS, variableOf } from './settings.ts';
import { suggest } from './values.ts';

type Path = readonly PropertyKey[];

/** The configured values, and where each of them is. */
export interface Configured {
  /** By the name of the setting. A variable replaces the whole value of the file. */
  readonly values: Readonly<Record<string, unknown>>;
  /** False: a setting that seems to be missing may be in the file that cannot be read. */
  readonly isComplete: boolean;
  /** The source of the value at a path, or where it could be set. */
  sourceOf(path: Path): Source;
}

/** Reads the environment, and the YAML file that `POSTERN_CONFIG` names. */
export function readSources(outside: Outside, errors: ConfigErrors): Configured {
  const { env } = outside;
  rejectUnknown(env, errors);
  const ofEnvironment = readEnvironment(env);
  const path = env[CONFIG_VARIABLE];
  const add = (expected: string) =>
    errors.add({ field: CONFIG_VARIABLE, shown: shown('config', path) }, expected);
  const text = path && readText(path, add, outside);
  const file = path && text !== undefined ? parseYaml(path, text, errors) : undefined;
  const values = { ...file?.values, ...ofEnvironment };
  return {
    values,
    isComplete: !path || file !== undefined,
    sourceOf(path) {
      const [name = '', ...steps] = untilText(values, path);
      const isOfFile =
        Object.hasOwn(file?.values ?? {}, name) && !Object.hasOwn(ofEnvironment, name);
      const isVariable = !isOfFile && SETTINGS.includes(String(name));
      const start = isVariable ? variableOf(String(name)) : String(name);
      return {
        field:
          start +
          steps
            .map((step) => (Number.isInteger(step) ? `[${String(step)}]` : `.${String(step)}`))
            .join(''),
        where: isOfFile ? file?.whereIs([name, ...steps]) : undefined,
        shown: shown(nameOf([name, ...steps]), valueAt(values, [name, ...steps])),
      };
    },
  };
}

/** A path without its part below a text: a text has one place, even if its parts are checked one by one. */
function untilText(values: unknown, path: Path): Path {
  const end = path.findIndex((_, at) => typeof valueAt(values, path.slice(0, at)) === 'string');
  return end < 0 ? path : path.slice(0, end);
}

/** The setting or the field: the last name. */
function nameOf(path: Path): string {
  return String(path.findLast((step) => typeof step === 'string'));
}

function valueAt(value: unknown, [step, ...path]: Path): unknown {
  if (step === undefined) return value;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, step)
    ? valueAt(Reflect.get(value, step), path)
    : undefined;
}

/**
 * What Kubernetes injects into every pod for a service whose name begins with `postern`, and Docker
 * for a link of that name. `POSTERN_PORT` then holds a URL; a plain number is a mistake.
 */
const INJECTED = /^POSTERN_(\w+_)?(SERVICE_\w+|PORT_\w+)$/;
const INJECTED_URL = /^POSTERN_(\w+_)?PORT$/;

/** An empty variable counts as unset: compose files create such. */
function readEnvironment(env: Environment): Record<string, unknown> {
  const ofText: Record<string, (text: string) => unknown> = {
    mounts: mountsOfText,
    api_keys: apiKeysOfText,
  };
  const entries = SETTINGS.flatMap((setting) => {
    const value = env[variableOf(setting)];
    return value ? [[setting, ofText[setting]?.(value) ?? value]] : [];
  });
  return Object.fromEntries(entries);
}

function rejectUnknown(env: Environment, errors: ConfigErrors): void {
  const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf)];
  for (const [field, value] of Object.entries(env)) {
    if (!field.startsWith('POSTERN_') || !value || known.includes(field)) continue;
    if (INJECTED.test(field) || (INJECTED_URL.test(field) && value.includes('://'))) continue;
    // The value is not shown: it may be a secret.
    errors.add({ field }, unknownVariable(field, known));
  }
}

function unknownVariable(field: string, known: readonly string[]): string {
  const inFile = FILE_ONLY.find((setting) => variableOf(setting) === field);
  if (inFile !== undefined) {
    return `no such variable: set ${inFile} in the file that ${CONFIG_VARIABLE} names`;
  }
  const suggestion = suggest(field, known);
  if (API_VARIABLES.includes(field)) {
    return (
      'no value: only postern token and postern doctor use this variable, ' +
      `so unset it for the service${suggestion}`
    );
  }
  return `the name of a setting${suggestion || `: ${known.join(', ')}`}`;
}

/** The settings of a file; undefined, with issues, if it is not YAML or not a mapping. */
function parseYaml(path: string, text: string, errors: ConfigErrors) {
  const lines = new yaml.LineCounter();
  const whereIs = (offset = 0) => `${path}:${lines.linePos(offset).line}`;
  // prettyErrors would quote the line, which may contain a key.
  const document = yaml.parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    resolveKnownTags: false,
  });
  const before = errors.count;
  const found = [...document.errors, ...document.warnings];
  // Only the first error is reliable, and errors about duplicate keys.
  const first = found.find(({ code }) => code !== 'DUPLICATE_KEY');
  for (const error of found) {
    const { code, pos } = error;
    if (error !== first && code !== 'DUPLICATE_KEY') continue;
    // The parser's own message quotes the text, which may be a secret.
    const expected = EXPECTED[code] ?? 'the parser cannot read this';
    const where = `${whereIs(pos[0])}:${lines.linePos(pos[0]).col}`;
    errors.add({ field: 'the file', where }, `valid YAML: ${expected}`);
  }
  const { contents } = document;
  yaml.visit(document, {
    Alias(_, { range }) {
      const source = { field: 'the file', where: whereIs(range?.[0]) };
      errors.add(source, 'no alias: a value that begins with * needs quotes');
    },
    // A file that declares YAML 1.1 has merge keys.
    Pair(_, { key }) {
      if (!yaml.isScalar(key) || key.source !== '<<') return;
      errors.add({ field: 'the file', where: whereIs(key.range?.[0]) }, 'no merge key <<');
    },
  });
  if (errors.count > before) return undefined;
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    const known = [...SETTINGS, ...FILE_ONLY].join(', ');
    return errors.add(
      { field: 'the file', where: whereIs(contents?.range?.[0]) },
      `a mapping with some of the keys ${known}`,
    );
  }
  return {
    values: values as Readonly<Record<PropertyKey, unknown>>,
    whereIs: (path: Path) => whereIs(startOf(contents, contents, path)),
  };
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

type Node = yaml.Node | null;

/** The offset of the key or the list item at a path, or of the nearest one above it. */
function startOf(node: Node, start: Node, [step, ...path]: Path): number | undefined {
  if (yaml.isMap<yaml.Scalar<string>, Node>(node)) {
    const pair = node.items.find(({ key }) => key.value === step);
    if (pair) return startOf(pair.value, pair.key, path);
  }
  const item = yaml.isSeq<Node>(node) ? node.items[Number(step)] : undefined;
  return item ? startOf(item, item, path) : start?.range?.[0];
}
