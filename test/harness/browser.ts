import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { guard } from './guard.ts';
import { loadPackage } from './packages.ts';
import { temporaryFolder } from './paths.ts';
import type { Browser, LaunchOptions, Puppeteer } from './puppeteer.ts';
import { findTool, type ToolName } from './tools.ts';

export type BrowserName = 'Chromium' | 'Firefox';

/** Host names that both browsers resolve to loopback: two sites, and a second host of the first. */
const HOSTS = ['site.test', 'files.site.test', 'other.test'];

export const browserTools = {
  Chromium: 'chromium',
  Firefox: 'firefox-esr',
} as const satisfies Record<BrowserName, ToolName>;

const options: Readonly<Record<BrowserName, LaunchOptions>> = {
  Chromium: {
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
  Firefox: {
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
};

export interface StartedBrowser {
  readonly browser: Browser;
  /** The folder for downloads. */
  readonly folder: string;
}

/** A browser with a new profile. It ends with this process at the latest. */
export async function startBrowser(name: BrowserName): Promise<StartedBrowser> {
  const { path, env } = await findTool(browserTools[name]);
  const home = await temporaryFolder();
  const folder = join(home, 'downloads');
  await mkdir(folder);
  const { extraPrefsFirefox, ...others } = options[name];
  const puppeteer = await loadPackage<Puppeteer>('browsers', 'puppeteer-core');
  const browser = await puppeteer.launch({
    ...others,
    extraPrefsFirefox: { ...extraPrefsFirefox, 'browser.download.dir': folder },
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
