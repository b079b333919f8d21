import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Directive } from '../../../doctor/config/directive.ts';
import { parse } from '../../../doctor/config/parse.ts';
import { projectRoot } from '../../harness/paths.ts';
import { mount } from '../../support/postern.ts';
import { diagnosed } from './trap.ts';
import { type Written, write } from './write.ts';

const snippets = join(projectRoot, 'nginx', 'snippets');
const read = readdirSync(snippets)
  .filter((name) => name.endsWith('.conf'))
  .flatMap((name) => parse(readFileSync(join(snippets, name), 'utf8'), name));
const all = (block: readonly Directive[]): Directive[] =>
  block.flatMap((one) => [one, ...all(one.block ?? [])]);
// Neither the patterns of maps, nor the files that a snippet includes.
const lines = all(read).filter(
  ({ name, block }) => /^(?!include$)[a-z_]+$/.test(name) && (block === undefined || name === 'if'),
);
const more = [
  'root /srv;',
  'alias /srv/files/;',
  'alias files;',
  'root;',
  'access_log off;',
  'return;',
]
  .map((text) => parse(text, '')[0])
  .filter((one) => one !== undefined);

const line: fc.Arbitrary<Written> = fc.constantFrom<Written[]>(...lines, ...more, ...more);
const path = fc.constantFrom(
  '/',
  '/download/',
  '/protected/',
  '/protected',
  '@postern_deliver',
  '(',
  '',
);
const modifier = fc.constantFrom([], ['^~'], ['='], ['~'], ['~*']);
const location = (inner: fc.Arbitrary<readonly Written[]>): fc.Arbitrary<Written> =>
  fc.record({
    name: fc.constantFrom('location', 'if', 'limit_except'),
    args: fc.tuple(modifier, path).map(([words, name]) => [...words, name]),
    block: inner,
  });
const block = (inner?: fc.Arbitrary<Written>) =>
  fc.array(inner ? fc.oneof(line, inner) : line, { maxLength: 12 });
const server = block(location(block(location(block()))));

/** Any lines of the snippets, and others, in any block. */
const site: fc.Arbitrary<readonly Written[]> = fc
  .tuple(block(), fc.array(server, { maxLength: 3 }))
  .map(([http, servers]) => [
    {
      name: 'http',
      args: [],
      block: [...http, ...servers.map((inner) => ({ name: 'server', args: [], block: inner }))],
    },
  ]);

test('doctor --config: for any configuration it names only lines that exist', () => {
  const quoted = (word: string) => `"${word.replace(/["\\]/g, '\\$&')}"`;
  fc.assert(
    fc.property(site, fc.boolean(), (tree, isTold) => {
      const text = write(tree, quoted, '\n');
      const mounts = isTold ? [mount('/download/', '/protected/')] : undefined;
      const found = diagnosed(`# configuration file /n:\n${text}`, mounts);
      for (const { file, line: at, seen, why, fix } of found) {
        expect([file, at > 0 && at <= text.split('\n').length]).toEqual(['/n', true]);
        for (const said of [seen, why, fix]) expect(said).not.toMatch(/undefined|^$/);
      }
    }),
    { numRuns: 400 },
  );
});
