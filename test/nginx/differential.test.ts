import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/token/token.ts';
import { bytes } from '../support/fixtures.ts';
import { type IssuedToken, mount } from '../support/postern.ts';
import { reconnecting, requestBytes } from '../support/raw.ts';
import { gateSnippet, modes, useSite } from '../support/site.ts';

// Generated request lines, for differential tests: a server in front of the gate must
// serve only the file that a token in the line or in a header covers.

/** Each file contains its name, so that the test recognizes the served file. */
const NAMES = ['a.txt', 'b.txt', 'sub/a.txt', 'sub/c d.txt', 'sub/é%41.txt', '..a', 'sub/.../x'];
const FILES = Object.fromEntries(NAMES.map((name) => [name, `this is ${name}`]));

/** Stand for a token in a request line, and are replaced by it. */
const OWN = ['{a.txt}', '{b.txt}', '{sub/a.txt}', '{sub/}', '{}', '{other}', '{bad}', '{unknown}'];
const HOSTILE = [
  ...'. .. ./ ../ / // ... %2e %2E%2e .%2e %2f %2F %252e %252f'.split(' '),
  ...'% %2 %zz %00 %0a %0d%0a %09 %20 %23 %3f %3F %5c \\ %7e'.split(' '),
  ...[...'?&=#;:~+*@"\t \x01\x7f\xff', '\xc3\xa9'],
  ...'%c0%ae %c0%af %ff %ef%bc%8f %u002e %e2%80%a6 %c3%a9 %2541 %41'.split(' '),
  ...'?token= &token= ?TOKEN= ?%74oken= ~ /~ %7E ?x=1 &x #/../'.split(' '),
  ...'a.txt b.txt sub sub/ secret.txt c%20d.txt /protected/ /download/'.split(' '),
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

/** The end of the path, which is before the query. */
const END = -1;

/** A line with up to three of its places changed. */
const line = fc
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
const headers = fc.option(
  fc.tuple(fc.constantFrom('Authorization', 'Cookie'), fc.constantFrom(...OWN)),
  { freq: 4 },
);

/** A token for each placeholder of a line. `/other/` is the mount of `/protected/sub/`. */
async function issueTokens(
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

function filled(text: string, tokens: ReadonlyMap<string, string>): string {
  return text.replace(/\{[^}]*\}/g, (name) => tokens.get(name) ?? name);
}

/** The header as it is sent. */
function credential(
  [name, placeholder]: readonly [string, string],
  tokens: ReadonlyMap<string, string>,
): Record<string, string> {
  const scheme = name === 'Cookie' ? 'postern=' : 'Bearer ';
  return { [name]: scheme + filled(placeholder, tokens) };
}

/** The placeholders in a request that cover a file. */
function covering(file: string, text: string, header: readonly [string, string] | null): string[] {
  const inLine: string[] = text.match(/\{[^}]*\}/g) ?? [];
  const inSub = file.startsWith('sub/') ? ['{sub/}', '{other}'] : [];
  const all = [`{${file}}`, '{}', ...inSub];
  return (header ? [...inLine, header[1]] : inLine).filter((one) => all.includes(one));
}

// Generated request lines at real nginx: once with the gate, and once without the token at a plain location
// with the same files. If the gate allows the request, the client gets the file of its token, and the same
// file as from the plain location. If the plain location rejects the request, the gate rejects it, too.

const SECRET = 'beside the folder';

describe.each(modes)('differential: nginx and Postern by %s', (mode) => {
  let tokens: ReadonlyMap<string, string>;

  const site = useSite(
    {
      mode,
      files: { ...FILES, '../secret.txt': SECRET, '../www/index.html': 'the front page' },
      mounts: [mount('/download/', '/protected/'), mount('/other/', '/protected/sub/')],
      http: `
        server {
          listen 127.0.0.1:$port;
          server_name plain.example;
          if ($host != plain.example) { return 400; }
          location ^~ /download/ { alias $files/; }
          location ^~ /other/ { alias $files/sub/; }
          location / { root $files/../www; }
        }`,
      locations: `
        location ^~ /other/ { ${gateSnippet(mode)} }
        location / { root $files/../www; }`,
    },
    async () => {
      tokens = await issueTokens(site.issue);
    },
  );

  const connection = reconnecting(() => site.nginx.port);
  afterAll(connection.close);
  const ask = (target: string, header: Record<string, string> = {}) =>
    connection.send(requestBytes('GET', bytes(target), header));

  /** The same line without a token in its path, for the site that asks for none. */
  const plainOf = (text: string) =>
    filled(
      text
        .replace('http://files.example', 'http://plain.example')
        .replace(/(\/(?:download|other)\/)(?:~|%7e)\{[^}]*\}\//i, '$1'),
      tokens,
    );

  test('read a URI in the same way: the served file is that of the token', async () => {
    let requests = 0;
    let served = 0;
    await fc.assert(
      fc.asyncProperty(line, headers, async (text, header) => {
        const sent = header ? credential(header, tokens) : {};
        const { status, text: body } = await ask(filled(text, tokens), sent);
        requests += 1;
        expect(body).not.toContain(SECRET);
        if (!body.startsWith('this is ')) return;
        served += 1;
        expect(status).toBe(200);
        const name = body.slice('this is '.length);
        expect(covering(name, text, header)).not.toEqual([]);
        const plain = await ask(plainOf(text), { Host: 'plain.example' });
        expect([plain.status, plain.text]).toEqual([200, body]);
      }),
      { numRuns: 5000, interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false },
    );
    expect(requests).toBeGreaterThan(100);
    expect(served).toBeGreaterThan(requests / 50);
  });
});
