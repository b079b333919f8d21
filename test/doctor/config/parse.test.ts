import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Directive, Unreadable } from '../../../doctor/config/context.ts';
import { parse } from '../../../doctor/config/parse.ts';
import { startNginx, testNginx } from '../../harness/nginx.ts';
import { projectRoot } from '../../harness/paths.ts';
import { diagnosed } from '../../support/doctor/trap.ts';
import { forTest } from '../../support/for-test.ts';
import { mount } from '../../support/postern.ts';
import { requestBytes, sendRaw } from '../../support/raw.ts';

/** A directive without its position. */
interface Written {
  readonly name: string;
  readonly args: readonly string[];
  readonly block?: readonly Written[] | undefined;
}

/** Writes a configuration as nginx would read it. */
function write(block: readonly Written[]): string {
  return block
    .map(({ name, args, block: inner }) => {
      const words = [name, ...args.map((word) => `"${word.replace(/["\\]/g, '\\$&')}"`)].join('\n');
      return inner === undefined ? `${words}\n;` : `${words}\n{\n${write(inner)}\n}`;
    })
    .join('\n');
}

const all = (block: readonly Directive[]): Directive[] =>
  block.flatMap((one) => [one, ...all(one.block ?? [])]);

const junk = fc.array(fc.constantFrom(...'a {};"\'\\#\n$', '${', 'x_by_lua_block ', '[[', '--'), {
  maxLength: 60,
});

test('parse: any other text is an error with a line', () => {
  const texts = fc.oneof(
    junk.map((parts) => parts.join('')),
    fc.string(),
  );
  const reads = (text: string) => {
    try {
      parse(text, 'a.conf');
    } catch (error) {
      expect(error).toBeInstanceOf(Unreadable);
      expect((error as Error).message).toMatch(/^a\.conf:\d+: /);
    }
  };
  fc.assert(fc.property(texts, reads), { numRuns: 3000 });
});

const LUA = ['x_by_lua_block {--[[', "x_by_lua_block {'"];

test.each(['{', 'a{', 'a b;', '"a" ', '\\', '# ', '$', ...LUA])(
  'parse: a megabyte of %s takes less than 5 s of CPU time',
  (text) => {
    // CPU time: a busy machine does not change it.
    const before = process.cpuUsage();
    try {
      parse(text.repeat(1_000_000 / text.length), 'a.conf');
    } catch (error) {
      expect(error).toBeInstanceOf(Unreadable);
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(5);
  },
);

const snippets = join(projectRoot, 'nginx', 'snippets');
const read = readdirSync(snippets)
  .filter((file) => file.endsWith('.conf'))
  .flatMap((file) => parse(readFileSync(join(snippets, file), 'utf8'), file));
// Neither the patterns of maps, nor the files that a snippet includes.
const lines = all(read).filter(
  ({ name, block }) => /^(?!include$)[a-z_]+$/.test(name) && (block === undefined || name === 'if'),
);
const more = parse(
  'root /srv; alias /srv/files/; alias files; root; access_log off; return;',
  'more',
);

const line: fc.Arbitrary<Written> = fc.constantFrom<Written[]>(...lines, ...more, ...more);
const location = (inner: fc.Arbitrary<readonly Written[]>): fc.Arbitrary<Written> =>
  fc.record({
    name: fc.constantFrom('location', 'if', 'limit_except'),
    args: fc
      .tuple(
        fc.constantFrom([], ['^~'], ['='], ['~'], ['~*']),
        fc.constantFrom(
          ...['/', '/download/', '/protected/', '/protected', '@postern_deliver', '(', ''],
        ),
      )
      .map(([modifier, path]) => [...modifier, path]),
    block: inner,
  });
const block = (inner?: fc.Arbitrary<Written>) =>
  fc.array(inner ? fc.oneof(line, inner) : line, { maxLength: 12 });
const server = block(location(block(location(block()))));

/** Any lines of the snippets, and others, in any block. */
const site = fc
  .tuple(block(), fc.array(server, { maxLength: 3 }))
  .map(([http, servers]): readonly Written[] => {
    const blocks = servers.map((inner) => ({ name: 'server', args: [], block: inner }));
    return [{ name: 'http', args: [], block: [...http, ...blocks] }];
  });

test('doctor --config: for any configuration it names only lines that exist', async () => {
  await fc.assert(
    fc.asyncProperty(site, fc.boolean(), async (tree, isTold) => {
      const text = write(tree);
      const lines = text.split('\n');
      for (const { name, line: at } of all(parse(text, '/n'))) expect(lines[at - 1]).toBe(name);
      const mounts = isTold ? [mount('/download/', '/protected/')] : undefined;
      const found = await diagnosed(`# configuration file /n:\n${text}`, { mounts, nginx: null });
      for (const { file, line: at, seen, why, fix } of found) {
        expect([file, at > 0 && at <= lines.length]).toEqual(['/n', true]);
        for (const said of [seen, why, fix]) expect(said).not.toMatch(/undefined|^$/);
      }
    }),
    { numRuns: 400 },
  );
});

// nginx itself decides what a word is: each text is in `return 200 …;`, and the response of nginx must be the
// word that the parser reads.

const pieces = fc.constantFrom(...'aé"\'\\{};# \t\r\n', '\\n', '\\.');
const texts = fc.sample(
  fc.array(pieces, { minLength: 1, maxLength: 7 }).map((all) => all.join('')),
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
  const config = ({ port }: { port: number }) =>
    `server { listen 127.0.0.1:${port};\n${good.map(around).join('\n')}\n}`;
  const nginx = await forTest(startNginx({ config }));
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
