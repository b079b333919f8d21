import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../service/config/config.ts';
import { changesBetween } from '../../service/process/reload.ts';
import { errorOf, MOUNTS } from './load.ts';

const load = (env: Record<string, string>) =>
  loadConfig({ ...MOUNTS, ...env }, (path) => readFileSync(path, 'utf8'), { onTerminal: true });
const issuesOf = (env: Record<string, string>) => errorOf(() => load(env)).issues;

async function folderOf(files: Record<string, string>): Promise<{ POSTERN_PAGE_FOLDER: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'pages-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return { POSTERN_PAGE_FOLDER: folder };
}

test('config: links are texts and URLs', () => {
  const { pages } = load({
    POSTERN_PAGE_LINKS: 'Imprint & more=https://a.example/?q=1,Mail=mailto:a@b.example,Help=/help',
  });
  expect(pages.links).toEqual([
    { text: 'Imprint & more', url: 'https://a.example/?q=1' },
    { text: 'Mail', url: 'mailto:a@b.example' },
    { text: 'Help', url: '/help' },
  ]);
});

test.each([
  ['POSTERN_PAGE_NAME', 'a\nb'],
  ['POSTERN_PAGE_NAME', 'x'.repeat(61)],
  ['POSTERN_PAGE_COLOR', 'blue'],
  ['POSTERN_PAGE_COLOR', '#fff'],
  ['POSTERN_PAGE_COLOR', '#1d4ed8;}'],
  ['POSTERN_PAGE_LINKS', 'https://a.example/'],
  ['POSTERN_PAGE_LINKS', 'Run=javascript:alert(1)'],
  ['POSTERN_PAGE_LINKS', 'Run=data:text/html;x'],
  ['POSTERN_PAGE_LINKS', 'Other=//a.example/'],
  ['POSTERN_PAGE_LINKS', 'Help=/a"b'],
  ['POSTERN_PAGE_FOLDER', '/nowhere/pages'],
])('config: %s=%s is an error', (name, value) => {
  expect(issuesOf({ [name]: value }).map(({ field }) => field)).toEqual([name]);
});

test('config: a folder has a logo, languages and pages, and hidden files are ignored', async () => {
  const folder = await folderOf({
    'logo.svg': '<svg/>',
    'fr.json': '{"denied": ["Non", "Demandez."], "download": "T\u00e9l\u00e9charger"}',
    'denied.html': '<p>{{title}}</p>',
    'pin_required.fr.html': 'PIN',
    '.gitkeep': '',
  });
  expect(load(folder).pages).toMatchObject({
    logo: 'data:image/svg+xml;base64,PHN2Zy8+',
    texts: { fr: { denied: ['Non', 'Demandez.'], download: 'T\u00e9l\u00e9charger' } },
    files: { denied: '<p>{{title}}</p>', 'pin_required.fr': 'PIN' },
  });
});

test.each([
  ['a file with another name', { 'readme.txt': '' }, 'not readme.txt'],
  [
    'a page that does not exist',
    { 'listing.html': '', 'other.html': '' },
    'not listing.html, other.html',
  ],
  [
    'a page in an unknown language',
    { 'denied.fr.html': '' },
    'the texts fr.json for denied.fr.html',
  ],
  ['an unknown placeholder', { 'denied.html': '{{token}}' }, 'denied.html with the placeholders'],
  ['code in a placeholder', { 'denied.html': '{{ title }}' }, 'denied.html with the placeholders'],
  ['an unknown text', { 'fr.json': '{"titel": "x"}' }, 'fr.json with texts'],
  ['a text of the wrong type', { 'fr.json': '{"denied": "x"}' }, 'fr.json with texts as in'],
  ['a page without a title', { 'fr.json': '{"denied": []}' }, 'fr.json with texts as in'],
  ['invalid JSON', { 'fr.json': '{' }, 'fr.json as valid JSON'],
  ['a large file', { 'logo.svg': 'x'.repeat(65_537) }, 'logo.svg with at most 65536 characters'],
])('config: %s in the folder is an error', async (_, files, expected) => {
  const issues = issuesOf(await folderOf(files as Record<string, string>));
  expect(issues.map(({ field }) => field)).toEqual(['POSTERN_PAGE_FOLDER']);
  expect(issues[0]?.expected).toContain(expected);
});

test('changes: a reload names the pages if a setting or a file differs', async () => {
  const folder = await folderOf({ 'logo.svg': '<svg/>' });
  const before = load(folder);
  expect(changesBetween(before, load(folder)).made).toEqual([]);
  await writeFile(join(folder.POSTERN_PAGE_FOLDER, 'logo.svg'), '<svg></svg>');
  expect(changesBetween(before, load(folder))).toEqual({
    made: ['changed page_folder'],
    needRestart: [],
  });
});
