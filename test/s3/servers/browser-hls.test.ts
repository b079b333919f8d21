import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openBrowser } from '../../browsers/browser.ts';
import { pageOf, pagesLocation } from '../../browsers/pages.ts';
import { client } from '../../clients/client.ts';
import { testFolder } from '../../clients/folder.ts';
import { fragments, makePlaylist, SECONDS } from '../../clients/hls.ts';
import { waitForLines } from '../../clients/site-log.ts';
import { modes } from '../../support/site.ts';
import { START_MS, startStorageSite } from './storage-site.ts';

/** Fetches the playlist and all that it names, as scripts that play HLS do; statuses and lengths. */
const fetchAll = (url: string) => `(async () => {
  const playlist = await fetch(${JSON.stringify(url)});
  const text = await playlist.text();
  const names = [...text.matchAll(/^[^#].*|(?<=URI=")[^"]+/gm)].map(([name]) => name);
  const rest = await Promise.all(names.map(async (name) => {
    const response = await fetch(new URL(name, playlist.url));
    return [name, response.status, (await response.arrayBuffer()).byteLength];
  }));
  return [playlist.status, rest.sort()];
})()`;

const playAll = (url: string) => `new Promise((resolve) => {
  const video = document.createElement('video');
  video.muted = true;
  video.defaultPlaybackRate = 16;
  video.onended = () => resolve(video.duration);
  video.onerror = () => resolve(video.error.message);
  video.src = ${JSON.stringify(url)};
  video.play().catch(({ message }) => resolve(message));
})`;

test.for(modes)(
  'Chromium: plays HLS from a private bucket with the token of a prefix by %s',
  { timeout: START_MS },
  async (mode, context) => {
    const browser = await openBrowser('Chromium', context);
    const ffmpeg = await client('ffmpeg', context);
    const folder = join(await testFolder(), 'hls');
    await makePlaylist(ffmpeg, folder, fragments);
    const names = await readdir(folder);
    const objects = await Promise.all(
      names.map(
        async (name) => [`videos/hls/${name}`, await readFile(join(folder, name))] as const,
      ),
    );
    const site = await startStorageSite(
      { media: Object.fromEntries(objects) },
      { mode, locations: pagesLocation },
    );
    onTestFinished(() => site.stop());
    const { id, url } = await site.issue({ prefix: '/media/hls/' });
    const page = await browser.open(await pageOf(site, 'A page of the site'));

    const lengths = objects
      .map(([key, bytes]) => [key.slice('videos/hls/'.length), 200, bytes.length])
      .filter(([name]) => name !== 'index.m3u8')
      .sort();
    expect(await page.evaluate(fetchAll(`${url}index.m3u8`))).toEqual([200, lengths]);
    expect(await page.evaluate(playAll(`${url}index.m3u8`))).toBeCloseTo(SECONDS);
    const lines = await waitForLines(site, id, ({ length }) => length >= names.length);
    expect(new Set(lines.map(({ code }) => code))).toEqual(new Set(['allow']));
    const seen = JSON.stringify(lines);
    expect(seen).not.toMatch(/X-Amz|videos/);
  },
);
