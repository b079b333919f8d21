import type { Http, Location } from '../context.ts';
import { codesOf, conditionOf, type Free, valuesOf, variablesIn } from './free.ts';
import { directivesOf } from './requests.ts';
import { samplesOf } from './sample.ts';

/** A value that a request gets beside its URL, and whether a client can choose it. */
export interface Variation {
  readonly headers: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly query?: string;
  /** `client`: each client can send it. `unknown`: only another program knows it. */
  readonly by: 'client' | 'unknown';
  /** What it is, for people. */
  readonly what: string;
}

/** Values for each variable on which the configuration decides. */
export function variationsOf(
  http: Http,
  servers: readonly Location[],
  unknown: ReadonlySet<string>,
  segments: readonly string[],
  ours: ReadonlySet<string>,
): readonly Variation[] {
  const values = new Map<string, Set<string>>();
  const add = (name: string, ...all: readonly string[]) => {
    const key = name.toLowerCase();
    const known = values.get(key) ?? new Set();
    for (const one of all) known.add(one);
    values.set(key, known);
  };
  // The conditions of the snippets open nothing.
  const lines = servers.flatMap(directivesOf).filter(({ file }) => !ours.has(file));
  const used = new Set<string>();
  const use = (text: string) => {
    for (const one of variablesIn(text)) used.add(one);
  };
  for (const { words } of lines) use(words);
  const maps = http.own('map', 'geo', 'split_clients').filter(({ file }) => !ours.has(file));
  // A map of a map.
  for (let pass = 0; pass < 4; pass += 1) {
    for (const one of maps)
      if (used.has((one.args.at(-1) ?? '').slice(1).toLowerCase()))
        for (const { words } of directivesOf(one)) use(words);
  }
  for (const {
    name,
    args: [text = '', variable = ''],
    block = [],
  } of maps) {
    if (name !== 'map' || !used.has(variable.slice(1).toLowerCase())) continue;
    for (const one of variablesIn(text)) {
      for (const { name: key } of block) {
        if (/^(default|hostnames|volatile|include)$/.test(key)) continue;
        const isRegex = key.startsWith('~');
        add(
          one,
          ...(isRegex
            ? samplesOf(key.replace(/^~\*?/, ''), ['a', ...segments]).slice(0, 40)
            : [key.replace(/^\\/, '')]),
          'doctor',
        );
      }
    }
  }
  for (const at of lines) {
    const { name, args } = at;
    const condition = name === 'if' ? conditionOf(at) : undefined;
    if (condition?.variable) {
      const { variable, operator, text } = condition;
      const texts = operator.includes('~')
        ? samplesOf(text, ['a', ...segments]).slice(0, 12)
        : [text];
      add(variable, ...(text === '' ? [] : texts), 'doctor', '1');
    }
    if (/^(root|alias|try_files|rewrite|index|set|error_page|proxy_pass)$/.test(name)) {
      const shown = args.join(' ').replace(/\?.*|\$\{?is_args.*/s, '');
      for (const one of variablesIn(shown)) add(one, ...segments);
    }
  }
  for (const { args } of lines.filter(({ words }) => /^add_header x-accel-/i.test(words)))
    for (const one of variablesIn(args.join(' '))) add(one, ...segments);
  const names = servers.flatMap((one) => one.names);
  for (const name of servers.flatMap((one) => one.own('server_name')).flatMap(({ args }) => args)) {
    if (name.startsWith('~')) add('host', ...samplesOf(name.slice(1), ['a', ...segments]));
  }
  const referers = lines
    .filter(({ name }) => name === 'valid_referers')
    .flatMap(({ args }) => args);
  const found: Variation[] =
    referers.length === 0
      ? []
      : ['', ...referers, ...names].flatMap((one) =>
          refererOf(one).map((value) => ({
            headers: { Referer: value },
            by: 'client' as const,
            what: `Referer: ${value}`,
          })),
        );
  if (lines.some(({ name }) => name === 'gzip_static')) {
    const headers = { 'Accept-Encoding': 'gzip' };
    found.push({ headers, by: 'client', what: 'Accept-Encoding: gzip' });
  }
  if (
    lines.some(({ name, words }) => name === 'limit_except' || /^error_page .*\b405\b/.test(words))
  ) {
    found.push(...['POST', 'PUT', 'DELETE', 'PROPFIND'].map((method) => method0(method)));
  }
  for (const [name, all] of values)
    for (const value of all) found.push(...variationOf(name, value, unknown));
  const byIndex = Math.max(0, ...[...values.values()].map((all) => all.size));
  const together = values.size < 2 ? 0 : Math.min(byIndex, 3);
  for (let index = 0; index < together; index += 1) {
    const all = [...values].flatMap(([name, own]) =>
      variationOf(name, [...own][Math.min(index, own.size - 1)] ?? '', unknown),
    );
    found.push(merged(all));
  }
  return [
    ...new Map(
      found.map((one) => [JSON.stringify([one.headers, one.method, one.query]), one]),
    ).values(),
  ];
}

const method0 = (method: string): Variation => ({
  headers: {},
  method,
  by: 'client',
  what: method,
});

/** What the doctor chooses: the status of a request, and the results of conditions and maps. */
export function choices({ ifs, maps }: Free, servers: readonly Location[]): readonly Variation[] {
  const lines = new Set(servers.flatMap(directivesOf));
  const codes = new Set(servers.flatMap(({ nested }) => nested).flatMap(codesOf));
  const by = 'unknown';
  const own = [...ifs.entries()].filter(([, at]) => lines.has(at));
  const rest: readonly Variation[] = [
    ...own.map(
      ([index, at]): Variation => ({
        headers: { 'Doctor-If': `${index}` },
        by,
        what: `It depends on ${at.titleAt}.`,
      }),
    ),
    ...(own.length === 0
      ? []
      : [
          {
            headers: { 'Doctor-If': 'none' },
            by,
            what: `It depends on ${own.map(([, at]) => at.titleAt).join(' and ')}.`,
          } as const,
        ]),
    ...maps.flatMap((at, index) =>
      valuesOf(at).map(
        (_, value): Variation => ({
          headers: { [`Doctor-Map-${index}`]: `${value}`, 'Doctor-If': 'none' },
          by,
          what: `It depends on ${at.titleAt}.`,
        }),
      ),
    ),
  ];
  return [
    ...rest,
    ...[...codes].flatMap((code) =>
      [{ headers: {}, what: '' }, ...rest].map(
        ({ headers, what }): Variation => ({
          headers: { ...headers, 'Doctor-Code': code },
          by,
          what: `A request that gets the status ${code} gets it. ${what}`.trim(),
        }),
      ),
    ),
  ];
}

function merged(all: readonly Variation[]): Variation {
  return {
    headers: Object.assign({}, ...all.map(({ headers }) => headers)),
    ...(all.find(({ method }) => method) && {
      method: all.find(({ method }) => method)?.method ?? 'GET',
    }),
    query: all.flatMap(({ query }) => query ?? []).join('&'),
    by: all.some(({ by }) => by === 'unknown') ? 'unknown' : 'client',
    what: all.map(({ what }) => what).join(', '),
  };
}

function refererOf(name: string): readonly string[] {
  if (name === '' || name === 'none') return [];
  if (name === 'blocked') return ['doctor'];
  if (name.startsWith('~')) return samplesOf(name.slice(1), ['a']).map((text) => `http://${text}/`);
  return [
    `http://${name.replace(/^\*\./, 'www.').replace(/\.\*$/, '.example').replace(/^\./, '')}/`,
  ];
}

/** How a client sends a value of a variable of nginx. */
function variationOf(
  name: string,
  value: string,
  unknown: ReadonlySet<string>,
): readonly Variation[] {
  if (/[\r\n]/.test(value)) return [];
  const header = (key: string, text = value): readonly Variation[] => [
    { headers: { [key]: text }, by: 'client', what: `${key}: ${text}` },
  ];
  const [, kind = '', rest = ''] = /^(arg|http|cookie)_(\w+)$/.exec(name) ?? [];
  if (unknown.has(name)) {
    return [
      {
        headers: { [`Doctor-V-${name.replaceAll('_', '-')}`]: value },
        by: 'unknown',
        what: `$${name} has a value that another program chooses.`,
      },
    ];
  }
  if (kind === 'arg')
    return [
      {
        headers: {},
        query: `${rest}=${value.replaceAll(' ', '%20')}`,
        by: 'client',
        what: `${rest}=${value}`,
      },
    ];
  if (kind === 'cookie') return header('Cookie', `${rest}=${value}`);
  if (name === 'http_host' || name === 'host')
    return /^[\w.-]+(:\d+)?$/.test(value) ? header('Host') : [];
  if (/^http_(connection|upgrade|expect|content_length|transfer_encoding|te)$/.test(name))
    return [];
  if (kind === 'http')
    return header(rest.replaceAll('_', '-').replace(/(^|-)\w/g, (all) => all.toUpperCase()));
  // Such as the regex `\?preview$`.
  if (/^request(_uri)?$/.test(name))
    return value.startsWith('/') && !value.includes('?')
      ? []
      : variationOf('args', value.replace(/^.*?\?/, ''), unknown);
  if (name === 'args' || name === 'query_string')
    return [{ headers: {}, query: value.replaceAll(' ', '%20'), by: 'client', what: `?${value}` }];
  if (name === 'request_method')
    return /^(?!HEAD$|CONNECT$|TRACE$)[A-Z]+$/.test(value) ? [method0(value)] : [];
  if (name === 'remote_user')
    return header('Authorization', `Basic ${Buffer.from(`${value}:x`).toString('base64')}`);
  if (name === 'content_type') return header('Content-Type');
  return [];
}
