import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { client } from './client.ts';
import { devTools, type Fields } from './devtools.ts';
import { testFolder } from './folder.ts';
import { openPage, type Page } from './page.ts';

const flags = [
  '--headless',
  '--remote-debugging-pipe',
  // Root has to, and it sees no other pages than ours.
  '--no-sandbox',
  // A container's /dev/shm may be small.
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Whatever is not on loopback would go by this proxy, which is none; so no name is looked up.
  '--proxy-server=127.0.0.1:9',
];

export interface Browser {
  /** A new tab, once it has loaded. */
  open(url: string): Promise<Page>;
  /** Where what is downloaded is saved. */
  readonly downloads: string;
  /** The name of the next download, once it is complete. */
  downloaded(): Promise<string>;
}

/** A Chromium with a new profile, ended with the test. Skips it where there is none. */
export async function startBrowser(context: TestContext): Promise<Browser> {
  const chromium = await client('chromium', context);
  const folder = await testFolder();
  const downloads = join(folder, 'downloads');
  await mkdir(downloads);
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const tools = devTools(await chromium.start([...flags, profile, 'about:blank'], 2));
  await tools.send('Browser.setDownloadBehavior', {
    behavior: 'allow',
    downloadPath: downloads,
    eventsEnabled: true,
  });

  return {
    open: (url) => openPage(tools, url),
    downloads,
    async downloaded() {
      const { guid, suggestedFilename } = await tools.event('Browser.downloadWillBegin');
      const isOver = (progress: Fields) =>
        progress.guid === guid && progress.state !== 'inProgress';
      const { state } = await tools.event('Browser.downloadProgress', isOver);
      if (state !== 'completed') throw new Error(`the download was ${state}`);
      return suggestedFilename as string;
    },
  };
}
