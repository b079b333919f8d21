import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'puppeteer-core';
import { onTestFinished, type TestContext } from 'vitest';
import {
  type BrowserName,
  browserTools,
  type StartedBrowser,
  startBrowser,
} from '../harness/browser.ts';
import { waitFor } from '../harness/wait.ts';
import { needTool } from '../support/need-tool.ts';
import { modes } from '../support/site.ts';

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
