import { rename } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'puppeteer-core';
import { pageAnswer, send } from '../../../service/gate/answer.ts';
import { createPages } from '../../../service/pages/pages.ts';
import { startBrowser } from '../../../test/harness/browser.ts';
import { startNginx } from '../../../test/harness/nginx.ts';
import { tryRun } from '../../../test/harness/run.ts';
import { findTool } from '../../../test/harness/tools.ts';
import { startSite } from '../../demo/site.ts';

/** A picture of each page for people, by the decision of the gate. */
const PAGES: Readonly<Record<string, string>> = {
  'page-confirm.png': '401 confirmation_required',
  'page-pin.png': '401 pin_required',
  'page-no-token.png': '401 missing_token',
  'page-expired.png': '401 invalid_token',
  'page-wrong-file.png': '403 insufficient_scope',
  'page-folder.png': '403 path_is_folder',
  'page-not-found.png': '204 none',
  'page-busy.png': '429 too_many_requests',
  'page-unavailable.png': '503 unavailable',
};

type Pictures = Record<string, Uint8Array>;

/** Screenshots by Chromium: of the pages that nginx shows, of a folder, and of the demo. */
export async function pagePictures(): Promise<Pictures> {
  const { browser } = await startBrowser('Chromium');
  try {
    return { ...(await denials(browser)), ...(await demo(browser)) };
  } finally {
    await browser.close();
  }
}

/** The snippets, with a gate that answers as the path says. */
async function denials(browser: Browser): Promise<Pictures> {
  const pageFor = createPages();
  const gate = createServer((request, response) => {
    if (request.url === '/page') return send(response, pageAnswer(pageFor(request.headers)));
    const [, status = '', code = ''] =
      /(\d+)\/(\w+)/.exec(String(request.headers['x-original-uri'])) ?? [];
    response.writeHead(Number(status), {
      'Postern-Reason': code,
      'Postern-File': '2026-11-26T18:00:00Z Q3%20report.pdf',
      ...(status === '204' && { 'Postern-Target': '/protected/none' }),
      'Content-Length': '0',
    });
    response.end();
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
        location ^~ /protected/ { include postern/internal.conf; alias ${dir}/; }
        # As limit_conn refuses a download.
        location ^~ /download/429/ { error_page 429 @postern_failed; recursive_error_pages on; return 429; }
      }`,
  });
  try {
    const pictures: Pictures = {};
    const page = await newPage(browser, 640, 540);
    for (const [name, decision] of Object.entries(PAGES)) {
      await page.goto(nginx.url(`/download/${decision.replace(' ', '/')}`));
      pictures[name] = await page.screenshot();
    }
    return pictures;
  } finally {
    await nginx.stop();
    gate.close();
  }
}

/** The page of the demo after some clicks, and its folder. */
async function demo(browser: Browser): Promise<Pictures> {
  const site = await startSite({});
  try {
    await site.startApp();
    const page = await newPage(browser, 1100, 760);
    await page.goto(`${site.origin}/`);
    for (const [i, name] of ['folder', 'text', 'once', 'film'].entries()) {
      await page.click(`[data-name=${name}]`);
      await page.waitForSelector(`#links li:nth-child(${i + 1})`);
    }
    const open = async (part: string) => {
      const link = await page.waitForSelector(`#links a[href*="${part}"]`);
      const url = (await link?.evaluate((element) => element.getAttribute('href'))) ?? '';
      const other = await newPage(browser, 640, 460);
      await other.goto(url);
      return other;
    };
    const folder = await open('gallery');
    const listing = await folder.screenshot();
    await open('large.bin');
    await page.bringToFront();
    await page.waitForFunction('document.querySelector("video").ended');
    return { 'page-listing.png': listing, 'demo.png': await page.screenshot() };
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
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  return page;
}
