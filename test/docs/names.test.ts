import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as schemas from '../../service/api/schema.ts';
import { FILE_ONLY, SETTINGS } from '../../service/config/settings.ts';
import { EVENT_TYPES } from '../../service/events/event.ts';
import { responseHeaders } from '../../service/gate/headers.ts';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { GRANT_FIELDS } from '../../service/token/grant-fields.ts';
import { projectRoot, textOf } from '../harness/paths.ts';

const matches = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([, name = '']) => name);
const readAll = (folder: string) =>
  readdirSync(join(projectRoot, folder))
    .filter((name) => /\.(?:ts|conf)$/.test(name))
    .map((name) => textOf(`${folder}/${name}`))
    .join('\n');

const { issued, state, requester, delivered, page, revoked, health, problemDocument } = schemas;
const answers = [issued, state, requester, delivered, page, revoked, health, problemDocument];
const answerFields = [...answers, ...schemas.introspection.options].flatMap(({ shape }) =>
  Object.keys(shape),
);
const slices = textOf('nginx/snippets/slices.conf');
const SENT = /(?:^ *|; )proxy_set_header ((?:X|Postern)-\S+) /gm;
const keys = matches(readAll('service/store/redis'), /\$\{(?:options\.)?prefix\}([^`]+)`/g);

const NAMES: Readonly<Record<string, readonly string[]>> = {
  setting: [...SETTINGS, ...FILE_ONLY],
  'header to the gate': matches(readAll('nginx/snippets').replace(slices, ''), SENT),
  'header to the inner block': matches(slices, SENT),
  'header of the gate': Object.values(responseHeaders),
  'field of a request': Object.keys(GRANT_FIELDS),
  'field of a response': answerFields,
  'code of Postern': matches(textOf('service/problem.ts'), /^ {2}([a-z_]+): \d{3},$/gm),
  'code of nginx': matches(
    textOf('nginx/snippets/denials.conf'),
    /set \$postern_(?:page|reason) ([a-z_]+);/g,
  ),
  event: EVENT_TYPES,
  metric: matches(await createMetrics({ version: '', node: '' }).text(), /^# TYPE (postern_\w+)/gm),
  'key in Redis': keys.map((key) => key.replace(/\$\{(?:\w+\()?(\w+)\)?\}/g, '$1')),
  package: [
    ...['package.json', 'doctor/package.json'].flatMap((name) =>
      matches(textOf(name), /^ {2}"name": "(.+)"/gm),
    ),
    ...matches(textOf('integrations/laravel/composer.json'), /^ {2,4}"name": "(.+)"/gm),
    ...['python', 'django'].flatMap((name) =>
      matches(textOf(`integrations/${name}/pyproject.toml`), /^name = "(.+)"/gm),
    ),
    ...matches(textOf('integrations/rails/activestorage-postern.gemspec'), /spec\.name = "(.+)"/g),
  ],
};

const MAX_CELL_LENGTH = 118;

/** The rows of a kind: as many names as fit into a cell. */
function rowsOf(kind: string, names: readonly string[]): string[] {
  const cells: string[] = [];
  for (const name of [...new Set(names)].sort().map((one) => `\`${one}\``)) {
    const longer = cells.length > 0 ? `${cells.at(-1)}, ${name}` : name;
    if (cells.length > 0 && longer.length <= MAX_CELL_LENGTH) cells[cells.length - 1] = longer;
    else cells.push(name);
  }
  return cells.map((cell, i) => `| ${i === 0 ? kind : ''} | ${cell} |`);
}

// If it fails after a change of names that you want: write the expected rows into the table.
test('CONTRIBUTING.md has each name of the public interface', () => {
  const section = textOf('CONTRIBUTING.md').split('\n## Names\n')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  for (const names of Object.values(NAMES)) expect(names.length).toBeGreaterThan(3);
  expect(rows).toEqual(Object.entries(NAMES).flatMap(([kind, names]) => rowsOf(kind, names)));
});
