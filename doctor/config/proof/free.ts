import { join } from 'node:path';
import { tryTo } from '../../../common/errors.ts';
import type { Context, Directive, Http, Location } from '../context.ts';
import { directivesOf } from './requests.ts';

// The doctor cannot send each request that a condition asks for. So the copy has a header for each condition and each
// map that depends on more than the URL: the doctor chooses its result. What only such a request gets is a question.

/** Variables that the URL, the server block and the disk decide. */
const DECIDED =
  /^(\d|uri|document_uri|request_uri|request_filename|document_root|realpath_root|host|http_host|server_name|server_port|scheme|https|fastcgi_script_name|fastcgi_path_info)$/;

const CONDITION = /^\( *(?:\$\{?(\w+)\}?(?: +(!?=|!?~\*?) +(.*?))?|(!?-[fdex]) +(.*?)) *\)$/s;

/** Lines in which a variable chooses a file, or who gets it. */
export const CHOOSES =
  /^(root|alias|try_files|rewrite|index|set|error_page|auth_basic|proxy_pass|add_header x-accel-\S*) /i;

/** The words of a line before a query. */
export const beforeQuery = ({ args }: Directive): string =>
  args.map((one) => one.replace(/\?.*|\$\{?is_args.*/s, '')).join(' ');

/** The names of the variables in a text, in lower case. */
export function variablesIn(text: string): readonly string[] {
  const found = text.matchAll(/\$(?:\{(\w+)\}|(\d|\w+))/g);
  return [...found].map(([, inBraces, plain = '']) => (inBraces ?? plain).toLowerCase());
}

/** The variable, the operator and the text of the condition of an `if`. A test for a file has no variable. */
export function conditionOf({ args }: Directive) {
  const [all, variable = '', operator = '', text = '', test = operator, path = text] =
    CONDITION.exec(args.join(' ')) ?? [];
  if (all === undefined) return undefined;
  return { variable: variable.toLowerCase(), operator: test, text: path };
}

/** The conditions and maps of which the doctor chooses the result, by their number. */
export interface Free {
  readonly ifs: readonly Directive[];
  readonly maps: readonly Directive[];
  /** The variables in a text whose value the doctor chooses. */
  readonly chosenIn: (text: string) => readonly string[];
}

/** `isSeen` says whether the mirror has all files of the disk. If not, the doctor chooses the result of each test for a file. */
export function freeOf(
  http: Http,
  servers: readonly Location[],
  ours: ReadonlySet<string>,
  isSeen: boolean,
): Free {
  const lines = servers.flatMap(directivesOf).filter(({ file }) => !ours.has(file));
  const maps = http.own('map', 'geo', 'split_clients').filter(({ file }) => !ours.has(file));
  const free = new Set<string>();
  const defined = new Set<string>();
  const define = (name = '', isFree = false) => {
    defined.add(name.slice(1).toLowerCase());
    if (isFree) free.add(name.slice(1).toLowerCase());
  };
  const chosenIn = (text: string) =>
    variablesIn(text).filter((one) => free.has(one) || !(defined.has(one) || DECIDED.test(one)));
  const isFree = (text: string) => chosenIn(text).length > 0;
  const isFreeIf = (at: Directive) => {
    const { variable, text } = (at.name === 'if' && conditionOf(at)) || {};
    return variable === ''
      ? !isSeen || isFree(text ?? '')
      : variable !== undefined && isFree(`$${variable}`);
  };
  const defineGroups = (text: string, isFree = false) => {
    for (const [, name] of text.matchAll(/\(\?P?[<'](\w+)[>']/g)) define(`$${name}`, isFree);
  };
  for (const { words } of [...lines, ...maps.flatMap(directivesOf)]) defineGroups(words);
  for (const { name, args } of lines) if (name === 'set') define(args[0]);
  for (const { args } of maps) define(args.at(-1));
  // A variable can depend on another one.
  for (let pass = 0; pass < 4; pass += 1) {
    for (const { name, args } of lines)
      if (name === 'auth_request_set' || (name === 'set' && isFree(args[1] ?? '')))
        define(args[0], true);
    for (const at of lines.filter(isFreeIf)) {
      defineGroups(at.words, true);
      for (const { args } of directivesOf(at).filter(({ name }) => name === 'set'))
        define(args[0], true);
    }
    for (const { name, args, block = [] } of maps) {
      const words = [args[0], ...block.map(({ words }) => words)].join(' ');
      if (name !== 'map' || isFree(words)) define(args.at(-1), true);
      if (isFree(args[0] ?? '')) defineGroups(words, true);
    }
  }
  const uses = [
    ...lines.filter(({ words }) => CHOOSES.test(words)),
    ...maps.flatMap(({ block = [] }) => block),
  ];
  const used = new Set(uses.flatMap(({ words }) => variablesIn(words)));
  const named = ({ args }: Directive) => (args.at(-1) ?? '').slice(1).toLowerCase();
  return {
    chosenIn,
    ifs: lines.filter(isFreeIf),
    maps: maps.filter((at) => free.has(named(at)) && used.has(named(at))),
  };
}

/** The condition of an `if` as the doctor chooses it, and the map for it. */
export function chosen(at: Directive, index: number, { folder, write, mirrored }: ChosenOptions) {
  const { variable = '', operator = '', text: own = '' } = conditionOf(at) ?? {};
  const isFile = variable === '';
  const text = isFile ? join(folder, operator.endsWith('f') ? 'control' : '') : own;
  const isRegex = operator.includes('~');
  const regex = tryTo(() => new RegExp(text, 'i'));
  const other = ['doctor-no', '', '0', '~'].find((one) => !(isRegex && regex?.test(one))) ?? '';
  const same = isRegex ? 'doctor-yes' : operator === '' ? '1' : text;
  const [yes, no] = operator.startsWith('!') ? [other, same] : [same, operator === '' ? '' : other];
  const name = `$doctor_if_${index}`;
  const tested = write(isRegex ? `(?:${text})|^doctor-yes$` : text);
  const value = write(isFile ? mirrored(own) : `$${variable}`);
  return {
    words: `(${isFile ? `${operator} ${name}` : operator === '' ? name : `${name} ${operator} ${tested}`})`,
    map: `map $http_doctor_if ${name} { volatile; "" ${value}; ${index} ${write(yes)}; default ${write(no)}; }`,
  };
}

interface ChosenOptions {
  readonly folder: string;
  /** A word as the copy has it. */
  readonly write: (word: string) => string;
  readonly mirrored: (path: string) => string;
}

/** The values of a map that the doctor can choose. */
export function valuesOf({ block = [] }: Directive): readonly string[] {
  const values = block.flatMap(({ name, args: [value] }) =>
    value === undefined || name === 'include' ? [] : value,
  );
  return [...new Set(values)];
}

/** For each error_page line, a code that a request for a missing file does not get. */
export function codesOf(context: Context): readonly string[] {
  const lines = context
    .effective('error_page')
    .map(({ args }) => args.filter((one) => /^\d+$/.test(one)));
  const keepsConnection = (code: string) => !/^(400|41[34]|49\d|50[01])$/.test(code);
  const codes = lines.map((all) => {
    const others = all.filter((one) => one !== '404');
    return others.find(keepsConnection) ?? others[0];
  });
  return [...new Set(codes.filter((one) => one !== undefined))];
}
