import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { waitForLines } from '../clients/site-log.ts';
import { stateOf, usedOnceFrom } from '../clients/state.ts';
import { waitFor } from '../harness/wait.ts';
import { startSite } from '../support/site.ts';
import { browsers, openBrowser } from './browser.ts';
import { link, pageOf, pagesLocation } from './pages.ts';

const BYTES = randomBytes(4_000_000);
const CUT_AT = 1_000_000;

/** Forwards connections to a port, and cuts the first that carries more than a megabyte. */
async function startCutter(port: number) {
  let isCut = false;
  const server = createServer((client) => {
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
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, isCut: () => isCut };
}

test.for(browsers)(
  'confirm, %s: an interrupted download with one use is completed',
  async (name, context) => {
    const browser = await openBrowser(name, context);
    const site = await startSite({
      mode: 'auth_request',
      files: { 'film.bin': BYTES },
      locations: pagesLocation,
    });
    onTestFinished(() => site.stop());
    const { origin, isCut } = await startCutter(site.nginx.port);
    const request = {
      path: '/download/film.bin',
      filename: 'film.bin',
      max_uses: 1,
      confirm: true,
    };
    const { id, url } = await site.issue(request);
    const { pathname } = new URL(await pageOf(site, link('film', url)));
    const page = await browser.open(origin + pathname);
    await page.click('#film');
    await page.locator('button').click();
    await waitFor(isCut, { what: 'the download to be cut' });
    // Chromium resumes by itself. In Firefox the user starts the download again.
    if (name === 'Firefox') await page.evaluate('location.reload()');
    const saved = await browser.downloaded();
    expect(saved.content.equals(BYTES)).toBe(true);
    const lines = await waitForLines(site, id, ({ length }) => length === 4);
    const last = name === 'Chromium' ? 206 : 200;
    expect(lines.map(({ status }) => status)).toEqual([401, 303, 200, last]);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  },
);
