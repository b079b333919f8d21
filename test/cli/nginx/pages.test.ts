import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../../dev/paths.ts';
import { type Ended, postern } from '../postern.ts';

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs `postern nginx` with these files in the folder of `--pages`. */
async function run(pages: Readonly<Record<string, string>>, ...words: string[]): Promise<Ended> {
  for (const [name, text] of Object.entries({ 'brand.css': '', ...pages })) {
    const path = join(folder, 'own', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  const all = ['nginx', '--files', '/srv/files', '--server-name', 'files.example', ...words];
  return postern([...all, '--pages', join(folder, 'own')], folder, {
    env: { POSTERN_MOUNTS: '/download/=/protected/' },
  });
}

const NAMES = [
  'confirmation_required',
  'denied',
  'invalid_token',
  'listing-head',
  'listing',
  'missing_token',
  'not_found',
  'path_is_folder',
  'pin_required',
  'too_many_requests',
  'unavailable',
];

test('pages: --pages replaces files, and nginx reads them from the folder of --out', async () => {
  const out = join(folder, 'nginx');
  const own = { 'logo.svg': '<svg></svg>', 'de/denied.html': 'Nein.' };
  const { code, stderr } = await run(own, '--out', out);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('pages') });
  const read = (name: string) => readFile(join(out, 'postern', name), 'utf8');
  expect(await read('pages/logo.svg')).toBe('<svg></svg>');
  expect(await read('pages/de/denied.html')).toBe('Nein.');
  expect(await read('pages/en/denied.html')).toContain('This link does not open this file');
  const http = await readFile(join(out, 'conf.d/00-postern.conf'), 'utf8');
  expect(http).toContain(`map "" $postern_pages {\n    default ${out}/postern/pages/;\n}`);
  expect(http).not.toContain('$postern_language');
});

test('pages: a whole language is added to the languages of the http block', async () => {
  const french = NAMES.map((name) => [`fr/${name}.html`, 'Non.']);
  const { code, stdout } = await run(Object.fromEntries(french), '--json');
  expect(code).toBe(0);
  const { files } = JSON.parse(stdout);
  expect(files['postern/pages/fr/denied.html']).toBe('Non.');
  expect(files['conf.d/00-postern.conf']).toContain('(?<postern_a>en|de|fr)');
});

test.each([
  ['a name that no page has', 'en/denid.html', 'en/denid.html'],
  ['another file', 'logo.png', 'invalid_token.html'],
  ['a deeper folder', 'en/more/denied.html', 'the name of a page'],
  ['an invalid language', 'english/denied.html', 'the name of a page'],
  ['part of a language', 'fr/denied.html', 'unavailable.html missing'],
])('pages: %s is an error', async (_, name, message) => {
  const out = join(folder, 'nginx');
  const { code, stdout, stderr } = await run({ [name]: 'x' }, '--out', out);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
  await expect(readFile(join(out, 'postern', 'http.conf'))).rejects.toThrow('ENOENT');
});

test('pages: --pages needs --out or --json, and a folder', async () => {
  expect(await run({})).toMatchObject({ code: 2, stderr: expect.stringContaining('--out') });
  const missing = await postern(
    ['nginx', '--files', '/srv/files', '--json', '--pages', join(folder, 'none')],
    folder,
    { env: { POSTERN_MOUNTS: '/download/=/protected/' } },
  );
  expect(missing).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no such file or folder'),
  });
});

test('listing: --listing includes the snippet in internal locations', async () => {
  const { stdout } = await run({}, '--listing', '--json');
  const { files } = JSON.parse(stdout);
  expect(files['postern/sites/files.example.conf']).toContain(
    'include postern/headers.conf;\n    include postern/listing.conf;\n    alias /srv/files/;',
  );
  expect(files['postern/listing.conf']).toContain('autoindex on;');
});
