import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newToken } from '../../service/domain/token.ts';
import { mount } from '../support/postern.ts';
import { openRaw, type RawConnection, requestBytes } from '../support/raw.ts';
import { gateSnippet, type Site, startSite, ways } from '../support/site.ts';

// Request lines that nobody would write, at real nginx: once at the gate, and once, without the token,
// at a plain location over the same files. What the gate lets pass is the file of the token that was
// presented, and is what nginx alone would have sent; what nginx alone refuses is refused.

const NAMES = ['a.txt', 'b.txt', 'sub/a.txt', 'sub/c d.txt', 'sub/é%41.txt', '..a', 'sub/.../x'];
const FILES = Object.fromEntries(NAMES.map((name) => [name, `this is ${name}`]));
const SECRET = 'beside the folder';

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
const headers = fc.option(
  fc.tuple(fc.constantFrom('Authorization', 'Cookie'), fc.constantFrom(...OWN)),
  { freq: 4 },
);

describe.each(ways)('differential: nginx and Postern by %s', (way) => {
  let site: Site;
  const tokens = new Map<string, string>();

  beforeAll(async () => {
    site = await startSite({
      way,
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
        location ^~ /other/ { ${gateSnippet(way)} }
        location / { root $files/../www; }`,
    });
    for (const name of [
      'a.txt',
      'b.txt',
      'sub/a.txt',
      'sub/c d.txt',
      'sub/é%41.txt',
      '..a',
      'sub/.../x',
    ]) {
      tokens.set(`{${name}}`, (await site.issue({ path: `/download/${name}` })).access_token);
    }
    tokens.set('{sub/}', (await site.issue({ prefix: '/download/sub/' })).access_token);
    tokens.set('{}', (await site.issue({ prefix: '/download/' })).access_token);
    tokens.set('{other}', (await site.issue({ prefix: '/other/' })).access_token);
    tokens.set('{unknown}', newToken());
    const good = tokens.get('{a.txt}') as string;
    tokens.set('{bad}', good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A'));
  });
  afterAll(() => site.stop());

  const filled = (text: string) => text.replace(/\{[^}]*\}/g, (name) => tokens.get(name) ?? name);
  /** Each character up to U+00FF is a byte. */
  const bytes = (text: string) =>
    Buffer.concat([...text].map((c) => Buffer.from(c, c.charCodeAt(0) > 0xff ? 'utf8' : 'latin1')));

  let connection: RawConnection | undefined;
  /** What came, over one connection for as long as nginx keeps it. */
  async function ask(target: string, header: readonly [string, string] | null) {
    const request = requestBytes('GET', bytes(target), header ? { [header[0]]: header[1] } : {});
    for (let attempt = 0; attempt < 2; attempt += 1) {
      connection ??= await openRaw(site.nginx.port);
      try {
        const answer = await connection.send(request);
        if (answer.header('connection') === 'close') drop();
        return { status: answer.status, text: answer.text };
      } catch {
        drop();
      }
    }
    return { status: 0, text: '' };
  }
  function drop() {
    connection?.close();
    connection = undefined;
  }
  afterAll(drop);

  /** The same line without a token in its path, for the site that asks for none. */
  const plainOf = (text: string) =>
    filled(
      text
        .replace('http://files.example', 'http://plain.example')
        .replace(/(\/(?:download|other)\/)(?:~|%7e)\{[^}]*\}\//i, '$1'),
    );

  test('read a URI in the same way: the served file is that of the token', async () => {
    let requests = 0;
    let served = 0;
    await fc.assert(
      fc.asyncProperty(line, headers, async (text, header) => {
        const presented = header && ([header[0], filled(header[1])] as const);
        const sent =
          presented &&
          ([
            presented[0],
            (presented[0] === 'Cookie' ? 'postern=' : 'Bearer ') + presented[1],
          ] as const);
        const { status, text: body } = await ask(filled(text), sent);
        requests += 1;
        expect(body).not.toContain(SECRET);
        if (!body.startsWith('this is ')) return;
        served += 1;
        expect(status).toBe(200);
        const name = body.slice('this is '.length);
        // Among what is presented, there is the token for it.
        const inLine = [...new Set(text.match(/\{[^}]*\}/g) ?? [])];
        const all = header ? [...inLine, header[1]] : inLine;
        const covering = [
          `{${name}}`,
          '{}',
          ...(name.startsWith('sub/') ? ['{sub/}', '{other}'] : []),
        ];
        expect(all.filter((one) => covering.includes(one))).not.toEqual([]);
        const plain = await ask(plainOf(text), ['Host', 'plain.example']);
        expect([plain.status, plain.text]).toEqual([200, body]);
      }),
      { numRuns: 5000, interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false },
    );
    expect(requests).toBeGreaterThan(500);
    expect(served).toBeGreaterThan(requests / 50);
  }, 30_000);
});
