import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import puppeteer, {
  type Browser,
  type BrowserContext,
  type LaunchOptions,
  type Page,
} from 'puppeteer-core';
import { onTestFinished, type TestContext } from 'vitest';
import { guard } from '../../dev/guard.ts';
import { temporaryFolder } from '../../dev/paths.ts';
import type { ToolName } from '../../dev/tools.ts';
import { waitFor } from '../../dev/wait.ts';
import { needTool } from '../support/need-tool.ts';
import { ways } from '../support/site.ts';

export type BrowserName = 'Chromium' | 'Firefox';
export const browsers: readonly BrowserName[] = ['Chromium', 'Firefox'];

/** Each browser, by each mode of nginx. */
export const cases = browsers.flatMap((name) => ways.map((way) => [name, way] as const));

/** Host names that both browsers resolve to loopback: two sites, and a second host of the first. */
const HOSTS = ['site.test', 'files.site.test', 'other.test'];

const programs: Readonly<Record<BrowserName, { tool: ToolName; options: LaunchOptions }>> = {
  Chromium: {
    tool: 'chromium',
    options: {
      browser: 'chrome',
      args: [
        // Required as root. The browser opens no pages but those of the tests.
        '--no-sandbox',
        // The /dev/shm of a container may be small.
        '--disable-dev-shm-usage',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        `--host-resolver-rules=${HOSTS.map((host) => `MAP ${host} 127.0.0.1`).join(', ')}, MAP * ^NOTFOUND, EXCLUDE 127.0.0.1`,
      ],
    },
  },
  Firefox: {
    tool: 'firefox-esr',
    options: {
      browser: 'firefox',
      extraPrefsFirefox: {
        'network.dns.localDomains': HOSTS.join(','),
        // Any other host goes to a proxy that does not exist.
        'network.proxy.type': 1,
        'network.proxy.http': '127.0.0.1',
        'network.proxy.http_port': 9,
        'network.proxy.ssl': '127.0.0.1',
        'network.proxy.ssl_port': 9,
        'network.proxy.no_proxies_on': HOSTS.join(','),
        // The defaults of Firefox, which Puppeteer changes.
        'browser.contentblocking.features.standard':
          'tp,tpPrivate,cookieBehavior5,cookieBehaviorPBM5',
        'network.cookie.cookieBehavior': 5,
        // Save to the folder without a question.
        'browser.download.folderList': 2,
        'browser.download.useDownloadDir': true,
        'browser.download.alwaysOpenPanel': false,
        'toolkit.telemetry.enabled': false,
        'app.update.auto': false,
      },
    },
  },
};

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

interface Started {
  readonly browser: Browser;
  readonly folder: string;
}

/** One process of each browser for all test files of a worker. It ends with the worker. */
const started = new Map<BrowserName, Promise<Started>>();

/** A new profile in the browser. Skips the test if the browser is not available. */
export async function openBrowser(name: BrowserName, test: TestContext): Promise<Profile> {
  const { path, env } = await needTool(programs[name].tool, test);
  const start = started.get(name) ?? launch(name, path, env);
  started.set(name, start);
  const { browser, folder } = await start;
  const downloadBehavior = { policy: 'allow', downloadPath: folder } as const;
  const context = await browser.createBrowserContext({ downloadBehavior });
  onTestFinished(() => context.close());

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

async function launch(name: BrowserName, path: string, env: NodeJS.ProcessEnv): Promise<Started> {
  const home = await temporaryFolder();
  const folder = join(home, 'downloads');
  await mkdir(folder);
  const { options } = programs[name];
  const browser = await puppeteer.launch({
    ...options,
    extraPrefsFirefox: { ...options.extraPrefsFirefox, 'browser.download.dir': folder },
    executablePath: path,
    userDataDir: join(home, 'profile'),
    // Nothing of the user's configuration.
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, LC_ALL: 'C.UTF-8', ...env },
    // The sites of the tests sign their certificates themselves.
    acceptInsecureCerts: true,
    timeout: 60_000,
  });
  guard(browser.process()?.pid as number, home);
  return { browser, folder };
}

/** A file that no longer grows: Chromium and Firefox give it its name first when it is complete. */
async function completeFile(folder: string): Promise<Download | undefined> {
  const names = await readdir(folder);
  if (names.some((name) => /\.(crdownload|part)$/.test(name))) return undefined;
  for (const name of names) {
    const content = await readFile(join(folder, name));
    // Firefox reserves the name with an empty file.
    if (content.length > 0) return { name, content };
  }
  return undefined;
}
