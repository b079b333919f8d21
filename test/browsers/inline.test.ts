import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { client } from '../clients/client.ts';
import { makeFilm } from '../clients/hls.ts';
import { stateOf, usedOnceFrom } from '../clients/state.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { PICTURE } from './pages.ts';

const pdf = `%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 200 200]>> endobj
trailer <</Root 1 0 R>>
`;

test.for(cases)('%s: shows a file with disposition inline by %s', async ([name, mode], context) => {
  const browser = await openBrowser(name, context);
  const ffmpeg = await client('ffmpeg', context);
  const site = await startSite({ mode, files: { 'picture.png': PICTURE, 'a.pdf': pdf } });
  onTestFinished(() => site.stop());
  for (const film of ['film.mp4', 'film.webm']) await makeFilm(ffmpeg, join(site.files, film));

  for (const [file, expression, expected] of [
    ['picture.png', 'document.images[0]?.naturalWidth', 64],
    ['a.pdf', 'document.contentType', 'application/pdf'],
    ['film.mp4', 'document.querySelector("video")?.duration', 1],
    ['film.webm', 'document.querySelector("video")?.duration', 1],
  ] as const) {
    const inline = { filename: `Café ${file}`, disposition: 'inline' };
    const once = { path: `/download/${file}`, max_uses: 1 };
    const { id, url } = await site.issue({ ...once, ...inline });
    const page = await browser.open(site.nginx.url(url));
    await expect.poll(() => page.evaluate(expression)).toBe(expected);
    expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  }
  expect(await browser.downloads()).toEqual([]);
});
