import * as yaml from 'yaml';
import { apiKeysOfText } from './clients.ts';
import { type ConfigErrors, type Source, shown } from './errors.ts';
import { type Environment, type Outside, readText } from './files.ts';
import { mountsOfText } from './mounts.ts';
import {
  API_VARIABLES,
  CONFIG_VARIABLE,
  FILE_ONLY,
  metaAt,
  SETTINGS,
  variableOf,
} from './settings.ts';
import { suggest } from './values.ts';

export type Path = readonly PropertyKey[];

export type Configured = ReturnType<typeof readSources>;

/** Reads the environment, and the YAML file that `POSTERN_CONFIG` names. */
export function readSources(outside: Outside, errors: ConfigErrors) {
  const { env } = outside;
  rejectUnknown(env, errors);
  const ofEnvironment = readEnvironment(env);
  const path = env[CONFIG_VARIABLE];
  const add = (expected: string) =>
    errors.add({ field: CONFIG_VARIABLE, shown: shown('place', path) }, expected);
  const text = path && readText(path, add, outside);
  const file = path && text !== undefined ? parseYaml(path, text, errors) : undefined;
  /** By the name of the setting. A variable replaces the whole value of the file. */
  const values: Readonly<Record<string, unknown>> = { ...file?.values, ...ofEnvironment };
  return {
    values,
    /** False: a setting that seems to be missing may be in the file that cannot be read. */
    isComplete: !path || file !== undefined,
    /** The source of the value at a path, or where it could be set. */
    sourceOf(path: Path): Source {
      let value: unknown = values;
      const steps: PropertyKey[] = [];
      for (const step of path) {
        // A text has one place, even if its parts are checked one by one.
        if (typeof value === 'string') break;
        const within = Object(value);
        value = Object.hasOwn(within, step) ? within[step] : undefined;
        steps.push(step);
      }
      const [setting = '', ...fields] = steps.map((step) =>
        typeof step === 'number' ? `[${step}]` : String(step),
      );
      const isOfFile =
        Object.hasOwn(file?.values ?? {}, setting) && !Object.hasOwn(ofEnvironment, setting);
      const start = isOfFile || !SETTINGS.includes(setting) ? setting : variableOf(setting);
      return {
        field: [start, ...fields].join('.').replaceAll('.[', '['),
        where: isOfFile ? file?.whereIs(steps) : undefined,
        shown: shown(metaAt(steps).shown, value),
      };
    },
  };
}

/** Kubernetes and Docker set these for a service named `postern…`. `POSTERN_PORT` is a URL: a plain number is a mistake. */
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
    // The start of the service warns of these.
    if (API_VARIABLES.includes(field)) continue;
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
  const meant = suggest(field, known);
  return `${meant ? `${meant} All settings` : 'the name of a setting'}: ${known.join(', ')}`;
}

/** The settings of a file; undefined, with issues, if it is not YAML or not a mapping. */
function parseYaml(path: string, text: string, errors: ConfigErrors) {
  const lines = new yaml.LineCounter();
  const whereIs = (offset = 0) => `${path}:${lines.linePos(offset).line}`;
  const before = errors.issues.length;
  const report = (where: string, expected: string) =>
    errors.add({ field: 'the file', where }, expected);
  // prettyErrors would quote the line, which may contain a key.
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
    // The parser's own message quotes the text, which may be a secret.
    const expected = EXPECTED[code] ?? 'the parser cannot read this';
    report(`${whereIs(pos[0])}:${lines.linePos(pos[0]).col}`, `valid YAML: ${expected}`);
  }
  const { contents } = document;
  yaml.visit(document, {
    Alias: (_, { range }) =>
      report(whereIs(range?.[0]), 'no alias: a value that begins with * needs quotes'),
    // A file that declares YAML 1.1 has merge keys.
    Pair(_, { key }) {
      if (!yaml.isScalar(key) || key.source !== '<<') return;
      report(whereIs(key.range?.[0]), 'no merge key <<');
    },
  });
  if (errors.issues.length > before) return undefined;
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    const known = [...SETTINGS, ...FILE_ONLY].join(', ');
    return report(whereIs(contents?.range?.[0]), `a mapping with some of the keys ${known}`);
  }
  return {
    values: values as Readonly<Record<PropertyKey, unknown>>,
    /** The line of the value at a path, or of the nearest one above it. */
    whereIs(path: Path): string {
      const node = document.getIn(path, true);
      if (yaml.isNode(node) || path.length === 0) return whereIs(Object(node).range?.[0]);
      return this.whereIs(path.slice(0, -1));
    },
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
