import { mkdir, open, readFile, rename, utimes } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { pageAnswer, send } from '../../../service/gate/answer.ts';
import { pageRequest } from '../../../service/gate/headers.ts';
import { createPages } from '../../../service/pages/pages.ts';
import { startBrowser } from '../../../test/harness/browser.ts';
import { type Nginx, startNginx } from '../../../test/harness/nginx.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import type { Browser, Page } from '../../../test/harness/puppeteer.ts';
import { tryRun } from '../../../test/harness/run.ts';
import { findTool } from '../../../test/harness/tools.ts';
import { startSite } from '../../demo/site.ts';

/** Each page for people: the status and the code of the gate, and the words of a confirmation after the name. */
const PAGES: Readonly<Record<string, string>> = {
  confirm: '401/confirmation_required',
  'confirm-folder': '401/confirmation_required/folder',
  'confirm-shown-file': '401/confirmation_required/file',
  pin: '401/pin_required',
  'pin-wrong': '401/pin_wrong',
  'pin-without-cookie': '401/pin_required/unkept',
  'no-token': '401/missing_token',
  expired: '401/invalid_token',
  'wrong-file': '403/insufficient_scope',
  folder: '403/path_is_folder',
  'not-found': '204/none',
  busy: '429/too_many_requests',
  unavailable: '503/unavailable',
  list: '~ps_7Rk2vQx9LmT4cYw8HsJ6bNd1FgP3zAe5/list/Photos/',
  'list-empty': 'list/Photos/empty/',
};

/** The files of the listing, in bytes. */
const FILES: Readonly<Record<string, number>> = {
  'A walk along the river on the first warm Sunday of spring, with everybody.jpg': 3_500_000,
  'evening.mp4': 83_000_000,
  'interview.mp3': 5_300_000,
  'originals.zip': 1_400_000_000,
  'programme.pdf': 240_000,
  'Straßenkarte.svg': 18_000,
  'From 2025/a.jpg': 1,
};
const UNTIL = '2026-11-27T18:00:00Z';
/** What only some pages show: the size, the sender, and the attempts to enter the PIN. */
const DETAILS = 'size=2400000 sender=Ada%20Lovelace left=3';
const MODIFIED = new Date('2026-11-26T18:30:00Z');

const LINKS = [
  { text: 'Imprint', url: '/imprint' },
  { text: 'Privacy', url: '/privacy' },
];

type Pictures = Record<string, Uint8Array>;

/** Screenshots by Chromium: of the pages that nginx shows, and of the demo. */
export async function pagePictures(): Promise<Pictures> {
  const { browser } = await startBrowser('Chromium');
  try {
    return { ...(await pages(browser)), ...(await demo(browser)) };
  } finally {
    await browser.close();
  }
}

/** The snippets, with a gate that answers as the path says. */
async function pages(browser: Browser): Promise<Pictures> {
  const script = await readFile(join(projectRoot, 'dist', 'chunks', 'listing-page.js'), 'utf8');
  const pageFor = createPages({ links: LINKS }, script);
  const gate = createServer((request, response) => {
    if (request.url === '/page') send(response, pageAnswer(pageFor(pageRequest(request.headers))));
    else decide(request, response);
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  const upstream = (gate.address() as AddressInfo).port;
  const nginx = await startNginx({
    config: ({ port, dir }) => `
      include postern/http.conf;
      upstream postern { server 127.0.0.1:${upstream}; }
      server {
        listen 127.0.0.1:${port};
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ {
          include postern/internal.conf; include postern/listing.conf; alias ${dir}/files/;
        }
        # As limit_conn refuses a download.
        location ^~ /download/429/ { error_page 429 @postern_failed; recursive_error_pages on; return 429; }
      }`,
  });
  try {
    await writeFiles(join(nginx.dir, 'files', 'Photos'));
    const pictures: Pictures = {};
    for (const [name, path] of Object.entries(PAGES)) {
      pictures[`pages/${name}.png`] = await sheet(browser, nginx, path);
    }
    const single = await newPage(browser, 640, 540);
    for (const name of ['confirm', 'list']) {
      await single.goto(nginx.url(`/download/${PAGES[name]}`));
      pictures[`page-${name}.png`] = await single.screenshot();
    }
    return pictures;
  } finally {
    await nginx.stop();
    gate.close();
  }
}

function decide(request: IncomingMessage, response: ServerResponse): void {
  const uri = String(request.headers['x-original-uri']);
  const [, folder] = /\/list\/(.*)$/.exec(uri) ?? [];
  const [, status = '204', code = '', more = ''] = /(\d+)\/(\w+)\/?(\w*)$/.exec(uri) ?? [];
  const target = folder === undefined ? '/protected/none' : `/protected/${folder}`;
  const name = more === 'folder' ? 'Photos' : 'Q3%20report.pdf';
  response.writeHead(Number(status), {
    'Postern-Reason': code,
    // A different token each time, because nginx limits how often one gets a listing.
    'Postern-Token-Id': String(request.headers['x-request-id']),
    'Postern-File': folder
      ? `list ${folder.slice(0, -1)} ${UNTIL}`
      : `${UNTIL} ${name} ${more} ${DETAILS}`,
    ...(status === '204' && { 'Postern-Target': target }),
    'Content-Length': '0',
  });
  response.end();
}

/** Files without content that have a size. */
async function writeFiles(folder: string): Promise<void> {
  await mkdir(join(folder, 'empty'), { recursive: true });
  for (const [name, size] of Object.entries(FILES)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'w');
    await file.truncate(size);
    await file.close();
  }
  const names = [...Object.keys(FILES), 'From 2025', 'empty'];
  for (const name of names) await utimes(join(folder, name), MODIFIED, MODIFIED);
}

/** Each language, in one of the color schemes. */
const LOOKS = [
  ['en', 'light'],
  ['de', 'dark'],
  ['es', 'light'],
  ['fr', 'dark'],
] as const;

/** A page on a phone above the same on a desktop. */
async function sheet(browser: Browser, nginx: Nginx, path: string): Promise<Uint8Array> {
  const shots: string[] = [];
  for (const [width, height] of [
    [390, 760],
    [1280, 760],
  ] as const) {
    const page = await newPage(browser, width, height);
    for (const [language, value] of LOOKS) {
      await page.setExtraHTTPHeaders({ 'Accept-Language': language });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      await page.goto(nginx.url(`/download/${path}`));
      shots.push(await page.screenshot({ encoding: 'base64' }));
    }
    await page.close();
  }
  const page = await newPage(browser, 1240, 800);
  const style = 'display: grid; grid-template-columns: repeat(4, 300px); gap: 8px; margin: 8px';
  const images = shots.map((data) => `<img width="300" src="data:image/png;base64,${data}">`);
  await page.setContent(`<body style="${style}; background: #888">${images.join('')}`);
  const picture = await page.screenshot();
  await page.close();
  return picture;
}

/** The page of the demo after some clicks. */
async function demo(browser: Browser): Promise<Pictures> {
  const site = await startSite({});
  try {
    await site.startApp();
    const page = await newPage(browser, 1100, 900);
    await page.goto(`${site.origin}/`);
    for (const [i, name] of ['folder', 'text', 'once', 'film'].entries()) {
      await page.click(`[data-name=${name}]`);
      // Some open another tab.
      await page.bringToFront();
      await page.waitForSelector(`#links li:nth-child(${i + 1})`);
    }
    await page.click('[aria-label^="Revoke the link for hello.txt"]');
    await page.waitForSelector('.revoked');
    await page.waitForFunction('document.querySelector("video").ended');
    return { 'demo.png': await page.screenshot() };
  } finally {
    await site.stop();
  }
}

/** Makes a screenshot a third as large. */
export async function reduceColors(file: string): Promise<void> {
  const { path, env } = await findTool('ffmpeg');
  const palette = 'split[a][b];[a]palettegen=max_colors=64[c];[b][c]paletteuse=dither=none';
  const reduced = `${file}.reduced.png`;
  const args = ['-v', 'error', '-y', '-i', file, '-vf', palette, reduced];
  const { ok, output } = await tryRun(path, args, env);
  if (!ok) throw new Error(output);
  await rename(reduced, file);
}

async function newPage(browser: Browser, width: number, height: number): Promise<Page> {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.emulateTimezone('Europe/Berlin');
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  return page;
}
