import { join } from 'node:path';
import { isFrontOf, LOCAL } from '../addresses.ts';
import type { Context, Http, Location } from '../context.ts';
import { absolutesOf } from './folders.ts';
import { conditionOf } from './free.ts';
import { directivesOf } from './requests.ts';

const inner = new WeakMap<Location, boolean>();

/** Whether only this nginx itself connects to a server block. */
export function isInner(server: Location, http: Http): boolean {
  const known = inner.get(server);
  if (known !== undefined) return known;
  const isOne =
    server.own('listen').length > 0 &&
    server.listens.every((one) => LOCAL.test(one)) &&
    http.blocks.some(
      (one) => one.server !== server && one.has('proxy_pass') && isFrontOf(one, server, http),
    );
  inner.set(server, isOne);
  return isOne;
}

/** The constant folders of the roots and aliases, and whether the line is for one file. */
export function rootsOf(
  http: Http,
  servers: ReadonlySet<Location>,
  prefix: string,
  isDisk: boolean,
): ReadonlyMap<string, boolean> {
  const found = new Map<string, boolean>();
  const contexts = [http as Context, ...[...servers].flatMap((one) => one.nested)];
  for (const context of contexts) {
    const lines = [
      ...context.own('root', 'alias'),
      ...context.own('if').flatMap((one) => one.own('root', 'alias')),
    ];
    for (const at of isDisk ? context.own('if') : []) {
      const { variable, text = '' } = conditionOf(at) ?? {};
      const constant = text.replace(/\$.*/s, '');
      if (variable === '' && constant.length > 1)
        for (const path of absolutesOf(constant, [prefix])) found.set(path, false);
    }
    if (context.name === 'server' && context.effective('root').length === 0)
      found.set(join(prefix, 'html'), false);
    for (const {
      name,
      args: [text = ''],
    } of lines) {
      const isFile =
        name === 'alias' && !text.endsWith('/') && (context as Location).modifier === '=';
      const constant = text.replace(/\$.*/s, '');
      if (constant === '' || (constant !== text && constant === '/')) continue;
      for (const path of absolutesOf(constant, [prefix]))
        found.set(path, isFile && constant === text);
    }
    for (const {
      args: [variable = '', value = ''],
    } of context.own('set')) {
      if (/^\/[\w./-]+$/.test(value) && variable) found.set(value, false);
    }
  }
  for (const { block = [] } of http.own('map'))
    for (const {
      args: [value = ''],
    } of block)
      if (/^\/(srv|var|home|usr|opt|data)\/[\w./-]+$/.test(value)) found.set(value, false);
  return found;
}

/** The names of files, such as `a.txt`, to which lines lead: a folder whose names are unknown may have them. */
export function namesIn(servers: readonly Location[]): readonly string[] {
  const words = servers
    .flatMap(directivesOf)
    .filter(({ name }) => /^(rewrite|try_files|error_page|alias)$/.test(name))
    .flatMap(({ args }) => args.map((one) => one.replace(/\?.*/s, '')));
  return [
    ...new Set(
      words.flatMap((one) => /[\w-][\w.-]*\.\w+$/.exec(one.replace(/\$\d/, '/'))?.[0] ?? []),
    ),
  ];
}

const USUAL = ['txt', 'html', 'jpg', 'pdf', 'php'];

/** The extensions that regexes name. */
export function extensionsOf(http: Http): readonly string[] {
  const regexes = http.blocks.flatMap(({ modifier, path }) =>
    modifier.startsWith('~') ? [path] : [],
  );
  const words = regexes.flatMap((regex) =>
    /\\\./.test(regex) ? (regex.match(/[a-z][a-z\d]{1,4}(?=[|)$?])/g) ?? []) : [],
  );
  return [...new Set([...USUAL, ...words])].slice(0, 24);
}
