import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'puppeteer-core';

const source = await readFile(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
);

/** The rules of WCAG 2.2 AA, and axe-core's own, that a page breaks: each with the element. */
export async function violations(page: Page): Promise<string[]> {
  // Before the page's own scripts and outside of its Content-Security-Policy.
  await page.evaluate(source);
  return page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`) as Promise<
    string[]
  >;
}
