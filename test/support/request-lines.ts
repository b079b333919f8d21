import fc from 'fast-check';
import { newToken } from '../../service/token/token.ts';
import type { IssuedToken } from './postern.ts';

// Generated request lines, for differential tests: a server in front of the gate must
// serve only the file that a token in the line or in a header covers.

/** Each file contains its name, so that the test recognizes the served file. */
export const NAMES = [
  'a.txt',
  'b.txt',
  'sub/a.txt',
  'sub/c d.txt',
  'sub/é%41.txt',
  '..a',
  'sub/.../x',
];
export const FILES = Object.fromEntries(NAMES.map((name) => [name, `this is ${name}`]));

/** Stand for a token in a request line, and are replaced by it. */
const OWN = ['{a.txt}', '{b.txt}', '{sub/a.txt}', '{sub/}', '{}', '{other}', '{bad}', '{unknown}'];
const HOSTILE = [
  ...[
    '.',
    '..',
    './',
    '../',
    '/',
    '//',
    '...',
    '%2e',
    '%2E%2e',
    '.%2e',
    '%2f',
    '%2F',
    '%252e',
    '%252f',
  ],
  ...[
    '%',
    '%2',
    '%zz',
    '%00',
    '%0a',
    '%0d%0a',
    '%09',
    '%20',
    '%23',
    '%3f',
    '%3F',
    '%5c',
    '\\',
    '%7e',
  ],
  ...[
    '?',
    '&',
    '=',
    '#',
    ';',
    ':',
    '~',
    '+',
    '*',
    '@',
    '"',
    '\t',
    ' ',
    '\x01',
    '\x7f',
    '\xff',
    '\xc3\xa9',
  ],
  ...['%c0%ae', '%c0%af', '%ff', '%ef%bc%8f', '%u002e', '%e2%80%a6', '%c3%a9', '%2541', '%41'],
  ...['?token=', '&token=', '?TOKEN=', '?%74oken=', '~', '/~', '%7E', '?x=1', '&x', '#/../'],
  ...['a.txt', 'b.txt', 'sub', 'sub/', 'secret.txt', 'c%20d.txt', '/protected/', '/download/'],
  ...['a'.repeat(300), 'http://files.example', 'index.html'],
];
const LINES = [
  ...NAMES.flatMap((name) => {
    const path = name.split('/').map(encodeURIComponent).join('/');
    return [`/download/${path}?token={${name}}`, `/download/~{}/${path}`, `/download/${path}`];
  }),
  '/download/~{sub/}/sub/a.txt',
  '/download/sub/a.txt?token={sub/}&x=1',
  '/download/../download/a.txt?token={a.txt}',
  '/download/~{sub/}/sub/../a.txt',
  '/other/a.txt?token={other}',
  '/protected/a.txt?token={}',
];

/** Of the path: before a query. */
const END = -1;

/** A line with up to three of its places changed. */
export const line = fc
  .tuple(
    fc.constantFrom(...LINES),
    fc.array(
      fc.tuple(
        fc.oneof(fc.nat(60), fc.constant(END)),
        fc.nat(3),
        fc.oneof(fc.constantFrom(...HOSTILE), fc.constantFrom(...OWN)),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([start, changes]) => {
    let parts = start.split(/(\{[^}]*\}|%[0-9A-F]{2}|[/?&=~.])/).filter((part) => part !== '');
    for (const [at, drop, put] of changes) {
      const end = parts.includes('?') ? parts.indexOf('?') : parts.length;
      const place = at === END ? end : 1 + (at % parts.length);
      parts = [...parts.slice(0, place), put, ...parts.slice(place + (drop > 1 ? 0 : drop))];
    }
    return parts.join('');
  });
/** A header with a token, or none. */
export const headers = fc.option(
  fc.tuple(fc.constantFrom('Authorization', 'Cookie'), fc.constantFrom(...OWN)),
  { freq: 4 },
);

/** A token for each placeholder of a line. `/other/` is the mount of `/protected/sub/`. */
export async function issueTokens(
  issue: (body: object) => Promise<IssuedToken>,
): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  const add = async (name: string, body: object) =>
    void tokens.set(name, (await issue(body)).access_token);
  for (const name of NAMES) await add(`{${name}}`, { path: `/download/${name}` });
  await add('{sub/}', { prefix: '/download/sub/' });
  await add('{}', { prefix: '/download/' });
  await add('{other}', { prefix: '/other/' });
  tokens.set('{unknown}', newToken());
  const good = tokens.get('{a.txt}') as string;
  tokens.set('{bad}', good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'));
  return tokens;
}

export function filled(text: string, tokens: ReadonlyMap<string, string>): string {
  return text.replace(/\{[^}]*\}/g, (name) => tokens.get(name) ?? name);
}

/** The header as it is sent. */
export function credential(
  [name, placeholder]: readonly [string, string],
  tokens: ReadonlyMap<string, string>,
): Record<string, string> {
  const scheme = name === 'Cookie' ? 'postern=' : 'Bearer ';
  return { [name]: scheme + filled(placeholder, tokens) };
}

/** The placeholders in a request that cover a file. */
export function covering(
  file: string,
  text: string,
  header: readonly [string, string] | null,
): string[] {
  const inLine: string[] = text.match(/\{[^}]*\}/g) ?? [];
  const inSub = file.startsWith('sub/') ? ['{sub/}', '{other}'] : [];
  const all = [`{${file}}`, '{}', ...inSub];
  return (header ? [...inLine, header[1]] : inLine).filter((one) => all.includes(one));
}
