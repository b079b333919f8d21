import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../harness/paths.ts';
import type { Site } from '../support/site.ts';

/** For startSite: the pages of the site itself, in a location without a snippet. */
export const pagesLocation = 'location /pages/ { alias $files/../pages/; }';

/** Writes the page; returns its URL. */
export async function pageOf(site: Site, html: string, name = 'index.html'): Promise<string> {
  const pages = join(site.files, '..', 'pages');
  await mkdir(pages, { recursive: true });
  await writeFile(join(pages, name), `<!doctype html>${html}`);
  return site.nginx.url('/pages/');
}

/** Without a font on the machine, a link with only text has no size to click on. */
export function link(id: string, url: string): string {
  return `<a id="${id}" href="${url}" style="display: block; height: 50px">${id}</a>`;
}

/** A picture of 64 by 40 pixels. */
export const PICTURE = readFileSync(join(projectRoot, 'dev', 'demo', 'thumbnail.png'));
