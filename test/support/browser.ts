import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, type TestContext } from 'vitest';
import {
  type BrowserName,
  browserTools,
  type StartedBrowser,
  startBrowser,
} from '../harness/browser.ts';
import { packageFile } from '../harness/packages.ts';
import { projectRoot, textOf } from '../harness/paths.ts';
import type { BrowserContext, Page } from '../harness/puppeteer.ts';
import { waitFor } from '../harness/wait.ts';
import { writeFiles } from './files.ts';
import { tcpForTest } from './for-test.ts';
import { needTool } from './need-tool.ts';
import { withListing } from './nginx/listed.ts';
import { modes, type Site, type SiteMode, type SiteOptions, siteForTest } from './site.ts';

export const browsers: readonly BrowserName[] = ['Chromium', 'Firefox'];

/** Each browser, by each mode of nginx. */
export const cases = browsers.flatMap((name) => modes.map((mode) => [name, mode] as const));

export interface Download {
  readonly name: string;
  readonly content: Buffer;
}

/** A new profile of a browser: no cookie and no cache of another test. */
export interface Profile {
  readonly context: BrowserContext;
  /** A new tab, when the page has loaded. */
  open(url: string): Promise<Page>;
  /** The next download, when it is complete. It is removed from the folder. */
  downloaded(): Promise<Download>;
  /** The files in the folder for downloads. */
  downloads(): Promise<string[]>;
}

/** One process of each browser for all test files of a worker. It ends with the worker. */
const started = new Map<BrowserName, Promise<StartedBrowser>>();

/** A new profile in the browser. Skips the test if the browser is not available. */
export async function openBrowser(name: BrowserName, test: TestContext): Promise<Profile> {
  await needTool(browserTools[name], test);
  const start = started.get(name) ?? startBrowser(name);
  started.set(name, start);
  const { browser, folder } = await start;
  const downloadBehavior = { policy: 'allow', downloadPath: folder } as const;
  const context = await browser.createBrowserContext({ downloadBehavior });
  onTestFinished(async () => {
    await context.close();
    for (const file of await readdir(folder)) await rm(join(folder, file), { force: true });
  });

  return {
    context,
    async open(url) {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
    downloads: () => readdir(folder),
    async downloaded() {
      const file = await waitFor(() => completeFile(folder), { what: `a download by ${name}` });
      await rm(join(folder, file.name));
      return file;
    },
  };
}

/**
 * A file that no longer grows. Until then Chromium and Firefox write to a file with another ending.
 * Firefox also creates two empty files: one reserves the name, and one with a random name shows whether
 * the system would execute it, and disappears at once.
 */
async function completeFile(folder: string): Promise<Download | undefined> {
  const names = await readdir(folder);
  for (const name of names.filter((one) => !/\.(crdownload|part)$/.test(one))) {
    const content = await readFile(join(folder, name)).catch(() => undefined);
    if (content && content.length > 0) return { name, content };
  }
  return undefined;
}

/** For startSite: the pages of the site itself, in a location without a snippet. */
export const pagesLocation = 'location /pages/ { alias $files/../pages/; }';

/** Writes the page; returns its URL. */
export async function pageOf(site: Site, html: string, name = 'index.html'): Promise<string> {
  await writeFiles(join(site.files, '..', 'pages'), { [name]: `<!doctype html>${html}` });
  return site.nginx.url('/pages/');
}

/** If the machine has no font, a link with only text has no size to click on. */
export function link(id: string, url: string): string {
  return `<a id="${id}" href="${url}" style="display: block; height: 50px">${id}</a>`;
}

/** A picture of 64 by 40 pixels. */
export const PICTURE = readFileSync(join(projectRoot, 'dev', 'demo', 'thumbnail.png'));

const source = await readFile(await packageFile('browsers', 'axe-core/axe.min.js'), 'utf8');

/** The rules of WCAG 2.2 AA, and axe-core's own, that a page breaks: each with the element. */
export async function violations(page: Page): Promise<string[]> {
  // Before the page's own scripts and outside of its Content-Security-Policy.
  await page.evaluate(source);
  return page.evaluate(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`) as Promise<
    string[]
  >;
}

/** Plays a film as fast as possible, by its URL or in the page. Returns its length, or the error. */
export const playAll = (url?: string) => `new Promise((resolve) => {
  const video = document.querySelector('video') ?? document.createElement('video');
  video.onended = () => resolve(video.duration);
  video.onerror = () => resolve(video.error.message);
  const play = () => {
    video.muted = true;
    video.playbackRate = 16;
    video.play().catch(({ message }) => resolve(message));
  };
  ${url === undefined ? '' : `video.src = ${JSON.stringify(url)};`}
  if (video.readyState > 0) play();
  else video.onloadedmetadata = play;
})`;

/**
 * Fetches a playlist and all that it names, as scripts that play HLS do. Returns the status of the playlist,
 * and name, status and length of each of the others.
 */
export const fetchAll = (url: string) => `(async () => {
  const playlist = await fetch(${JSON.stringify(url)});
  const text = await playlist.text();
  const names = [...text.matchAll(/^[^#].*|(?<=URI=")[^"]+/gm)].map(([name]) => name);
  const rest = await Promise.all(names.map(async (name) => {
    const response = await fetch(new URL(name, playlist.url));
    return [name, response.status, (await response.arrayBuffer()).byteLength];
  }));
  return [playlist.status, rest.sort()];
})()`;

/** A site with lists and the built script. */
export function listingSite(
  options: Partial<SiteOptions> & { readonly mode?: SiteMode } = {},
): Promise<Site> {
  const { mode = 'auth_request' } = options;
  const listingScript = textOf('dist/chunks/listing-page.js');
  return siteForTest({ ...withListing(mode), ...options, mode, listingScript });
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

const CUT_AT = 1_000_000;

/** Forwards connections to a port, and cuts the first that carries more than a megabyte. */
export async function startCutter(port: number) {
  let isCut = false;
  const front = await tcpForTest((client) => {
    const upstream = connect(port, '127.0.0.1');
    let bytes = 0;
    upstream.on('data', (chunk) => {
      bytes += chunk.length;
      client.write(chunk);
      if (isCut || bytes < CUT_AT) return;
      isCut = true;
      client.end();
      upstream.destroy();
    });
    client.on('data', (chunk) => upstream.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.end());
    }
  });
  return { origin: `http://127.0.0.1:${front}`, isCut: () => isCut };
}

/** Forwards requests to a port. Those for files wait until the test releases them, and the first for `busy` gets 429. */
export async function startHolder(port: number, busy: string) {
  const held = new Map<string, () => void>();
  let isOpen = false;
  let isBusy = true;
  const front = createServer((request, response) => {
    const { url: path = '', headers } = request;
    const forward = () => {
      const upstream = get({ port, path, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      upstream.on('error', () => response.destroy());
    };
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (isBusy && name === busy) {
      isBusy = false;
      response.writeHead(429).end();
    } else if (isOpen || name === '') forward();
    else held.set(name, forward);
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  onTestFinished(() => {
    front.close();
    front.closeAllConnections();
  });
  const release = (name: string) => {
    held.get(name)?.();
    held.delete(name);
  };
  return {
    origin: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    held: () => [...held.keys()].sort(),
    release,
    releaseAll() {
      isOpen = true;
      for (const name of held.keys()) release(name);
    },
  };
}
