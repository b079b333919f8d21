import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { Http, type Location } from '../../../doctor/config/context.ts';
import { parse } from '../../../doctor/config/parse.ts';
import { startNginx, testNginx } from '../../harness/nginx.ts';
import { requestBytes, sendRaw } from '../../support/raw.ts';

// nginx itself decides what a word is: each text is in `return 200 …;`, and the response of nginx must be the
// word that the parser reads.

const parts = fc.constantFrom(...'ab"\'\\{};# \t\n', '\\n', '\\.');
const texts = fc.sample(
  fc.array(parts, { minLength: 1, maxLength: 7 }).map((all) => all.join('')),
  { seed: 7, numRuns: 400 },
);

function isRead(text: string): boolean {
  try {
    parse(around(text, 0), 'a.conf');
    return true;
  } catch {
    return false;
  }
}

/** The text as one word; undefined if it is not exactly one. */
function wordOf(text: string): string | undefined {
  if (!isRead(text)) return undefined;
  const [location, ...more] = parse(around(text, 0), 'a.conf');
  const [directive, ...others] = location?.block ?? [];
  const { name, args = [], block } = directive ?? {};
  const isOne = more.length === 0 && others.length === 0 && block === undefined;
  return isOne && name === 'return' && args.length === 2 ? args[1] : undefined;
}

function around(text: string, index: number): string {
  return `location = /${index} { return 200 ${text}; }`;
}

test('parse: reads the same words as nginx', async () => {
  const good = [...new Set(texts)].filter((text) => wordOf(text) !== undefined);
  expect(good.length).toBeGreaterThan(40);
  const nginx = await startNginx({
    config: ({ port }) => `server { listen 127.0.0.1:${port};\n${good.map(around).join('\n')}\n}`,
  });
  onTestFinished(nginx.stop);
  const answers = await Promise.all(
    good.map(async (_, index) => {
      const target = `/${index}`;
      return (await sendRaw(nginx.port, requestBytes('GET', target), 'GET')).text;
    }),
  );
  expect(answers).toEqual(good.map(wordOf));
});

test('parse: rejects only what nginx rejects', async () => {
  const bad = [...new Set(texts)].filter((text) => !isRead(text)).slice(0, 60);
  expect(bad.length).toBe(60);
  for (const text of bad) {
    const { ok } = await testNginx(() => `server { listen unix:x.sock;\n${around(text, 0)}\n}`);
    expect([ok, text]).toEqual([false, text]);
  }
});

const REGEXES = ['~ t$', '~ ^/a/b/', '~ ^/a/b/c/x', '~ ^/b/'];
const BELOW = ['^~ /a/b/', '/a/b/c/', '^~ /a/b/c/', '= /a/b/x.t', ...REGEXES];
const ALL = ['/', '/a', '/a/', '^~ /a/', '= /a/', '/a/b/', ...BELOW];

const pathOf = (name: string) => name.replace(/^\S+ /, '');

/** Locations with different paths, with one more level in those that can have one. */
function locations(names: readonly string[], inner?: readonly string[]): fc.Arbitrary<string> {
  const one = fc.constantFrom(...names).chain((name) => {
    const nested = inner?.filter(
      (below) => below.startsWith('~') || pathOf(below).startsWith(pathOf(name)),
    );
    const texts = nested && !name.startsWith('=') ? locations(nested) : fc.constant('');
    return texts.map((text) => ({ name, text }));
  });
  return fc
    .uniqueArray(one, { selector: ({ name }) => name.replace('^~ ', ''), maxLength: 4 })
    .map((all) =>
      all.map(({ name, text }) => `location ${name} { return 200 ID; ${text} }`).join('\n'),
    );
}

test('candidates: contains each location that nginx selects for a URI below the folder', async () => {
  const drawn = fc.sample(locations(ALL, BELOW), { seed: 7, numRuns: 300 });
  const blocks = drawn.map((text, index) => {
    let id = 0;
    return `server { listen 127.0.0.1:$port; server_name s${index}.example;
      ${text.replace(/ID/g, () => `${id++}`)} }`;
  });
  const nginx = await startNginx({
    config: ({ port }) => blocks.join('\n').replaceAll('$port', `${port}`),
  });
  onTestFinished(nginx.stop);
  const { servers } = new Http(parse(blocks.join('\n'), 'a.conf'), 'a.conf');
  for (const [index, server] of servers.entries()) {
    const found = server.candidates('/a/');
    const all = server.locations.flatMap((one) => one.nested);
    for (const uri of ['x', 'x.t', 'b/x', 'b/x.t', 'b/c/x', 'b/c/u.t']) {
      const request = requestBytes('GET', `/a/${uri}`, { Host: `s${index}.example` });
      const { status, text } = await sendRaw(nginx.port, request, 'GET');
      const selected = status === 200 ? all[Number(text)] : server;
      expect(found.includes(selected as Location), `/a/${uri} in ${drawn[index]}`).toBe(true);
    }
  }
});
