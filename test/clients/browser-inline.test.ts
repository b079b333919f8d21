import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { png } from '../../dev/demo/png.ts';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { client } from './client.ts';
import { makeFilm } from './hls.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const pdf = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>> endobj
trailer <</Root 1 0 R>>
`;

test.for(ways)('Chromium: shows a file with disposition inline by %s', async (way, context) => {
  const browser = await startBrowser(context);
  const ffmpeg = await client('ffmpeg', context);
  const site = await startSite({ way, files: { 'picture.png': png(64, 40), 'a.pdf': pdf } });
  onTestFinished(() => site.stop());
  for (const name of ['film.mp4', 'film.webm']) await makeFilm(ffmpeg, join(site.files, name));

  for (const [name, expression, expected] of [
    ['picture.png', 'document.images[0]?.naturalWidth', 64],
    ['a.pdf', 'document.contentType', 'application/pdf'],
    ['film.mp4', 'document.querySelector("video")?.duration', 1],
    ['film.webm', 'document.querySelector("video")?.duration', 1],
  ] as const) {
    const inline = { filename: `Café ${name}`, disposition: 'inline' };
    const once = { path: `/download/${name}`, max_uses: 1 };
    const { id, url } = await site.issue({ ...once, ...inline });
    const page = await browser.open(site.nginx.url(url));
    expect(await page.evaluate(expression)).toBe(expected);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
  expect(await readdir(browser.downloads)).toEqual([]);
});
