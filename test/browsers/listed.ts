import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { projectRoot } from '../harness/paths.ts';
import type { Page } from '../harness/puppeteer.ts';
import { withListing } from '../nginx/listed.ts';
import { type Site, type SiteMode, type SiteOptions, siteForTest } from '../support/site.ts';

/** A site with lists and the built script. */
export async function listingSite(
  options: Partial<SiteOptions> & { readonly mode?: SiteMode } = {},
): Promise<Site> {
  const { mode = 'auth_request' } = options;
  const listScript = readFileSync(join(projectRoot, 'dist', 'chunks', 'list-page.js'), 'utf8');
  const site = await siteForTest({ ...withListing(mode), ...options, mode, listScript });
  return site;
}

/** The names in the table, in order. */
export const names = (page: Page) =>
  page.$$eval('tbody a', (links) => links.map(({ textContent }) => textContent));

/** What the page says about the ZIP. */
export const status = (page: Page) => page.$eval('.zip p', ({ textContent }) => textContent);

export async function expectStatus(page: Page, text: string | RegExp): Promise<void> {
  // A thousand files take a while on a busy machine.
  await expect.poll(() => status(page), { timeout: 100_000 }).toMatch(text);
}

/** Chromium would open a dialog for a file. Without this function the ZIP is saved as a Blob. */
export const withoutPicker = 'globalThis.showSaveFilePicker = undefined';

/** The function that asks for a file returns one of the browser's private file system. */
export const withPicker = `globalThis.showSaveFilePicker = async ({ suggestedName }) => {
  const folder = await navigator.storage.getDirectory();
  return folder.getFileHandle(suggestedName, { create: true });
}`;

/** The content of a file of the private file system, as base64. */
export const readPrivate = (name: string) => `(async () => {
  const folder = await navigator.storage.getDirectory();
  const file = await (await folder.getFileHandle(${JSON.stringify(name)})).getFile();
  const reader = new FileReader();
  const loaded = new Promise((resolve) => { reader.onload = resolve; });
  reader.readAsDataURL(file);
  await loaded;
  return reader.result.slice(reader.result.indexOf(',') + 1);
})()`;
