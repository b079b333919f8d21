import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { brokenLinks } from '../../dev/build/site/links.ts';
import { buildSite } from '../../dev/build/site/site.ts';
import { loadPackage } from '../harness/packages.ts';
import { projectRoot } from '../harness/paths.ts';
import { folderForTest } from '../support/for-test.ts';

interface MiniSearch {
  loadJSON(
    json: string,
    options: { fields: string[]; storeFields: string[] },
  ): { search(words: string): Array<{ readonly id: string }> };
}

test('docs: each page is in the site, each link leads somewhere, and the search finds a setting', async () => {
  const out = await folderForTest();
  await buildSite(out, '/postern/');

  const { pages, links, broken } = await brokenLinks(out, '/postern/');
  const docs = (await readdir(join(projectRoot, 'docs'), { recursive: true })).filter((name) =>
    name.endsWith('.md'),
  );
  // The site also has the pages of the top folder, and 404.html.
  expect(pages).toBeGreaterThan(docs.length + 5);
  expect(links).toBeGreaterThan(1000);
  expect(broken).toEqual([]);

  const chunks = join(out, 'assets', 'chunks');
  const index = (await readdir(chunks)).find((name) => name.startsWith('@localSearchIndexroot'));
  const { default: json } = await import(pathToFileURL(join(chunks, index ?? '')).href);
  const MiniSearch = await loadPackage<MiniSearch>('dev', 'minisearch');
  const options = { fields: ['title', 'titles', 'text'], storeFields: ['title', 'titles'] };
  const [first] = MiniSearch.loadJSON(json, options).search('POSTERN_DECISION_TTL');
  expect(first?.id).toContain('/postern/docs/');
});
