import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { without } from '../support/need-tool.ts';
import { startSite, ways } from '../support/site.ts';
import { startBrowser } from './browser.ts';
import { client } from './client.ts';
import { fragments, makePlaylist, SECONDS } from './hls.ts';
import { pageOf, pagesLocation } from './pages.ts';
import { waitForLines } from './site-log.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const prefix = '/download/hls/';
const playsHls = `document.createElement('video').canPlayType('application/vnd.apple.mpegurl')`;

/** Plays it as fast as it can; how long it was, or why it could not. */
const playAll = (url: string) => `new Promise((resolve) => {
  const video = document.createElement('video');
  video.muted = true;
  video.defaultPlaybackRate = 16;
  video.onended = () => resolve(video.duration);
  video.onerror = () => resolve(video.error.message);
  video.src = ${JSON.stringify(url)};
  video.play().catch(({ message }) => resolve(message));
})`;

/** What the scripts that play HLS do: the statuses of the playlist and all that it names. */
const fetchAll = (url: string) => `(async () => {
  const playlist = await fetch(${JSON.stringify(url)});
  const text = await playlist.text();
  const names = [...text.matchAll(/^[^#].*|(?<=URI=")[^"]+/gm)].map(([name]) => name);
  const urls = names.map((name) => new URL(name, playlist.url));
  const rest = await Promise.all(urls.map((one) => fetch(one)));
  return [playlist, ...rest].map(({ status }) => status);
})()`;

test.for(ways)(
  'Chromium: plays HLS with the cookie of a token with one use by %s',
  async (way, context) => {
    const browser = await startBrowser(context);
    const ffmpeg = await client('ffmpeg', context);
    const site = await startSite({ way, locations: pagesLocation });
    onTestFinished(() => site.stop());
    const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'), fragments);
    const page = await browser.open(await pageOf(site, 'A page of the site'));
    const once = { prefix, cookie: true, max_uses: 1, bind: 'cookie' };
    const issue = async () => {
      const { id, access_token } = await site.issue(once);
      return { id, url: `${prefix}index.m3u8?token=${access_token}` };
    };
    async function expectAllAsked(id: string) {
      const lines = await waitForLines(site, id, ({ length }) => length > segments.length);
      expect(lines.map(({ code }) => code)).toEqual(lines.map(() => 'allow'));
      const asked = lines.map(({ request }) => request.split(' ')[1]).sort();
      const plain = segments.map((name) => prefix + name);
      expect(asked).toEqual([`${prefix}index.m3u8?token=***`, ...plain].sort());
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
    }

    const byScript = await issue();
    const statuses = await page.evaluate(fetchAll(byScript.url));
    expect(statuses).toEqual([200, ...segments.map(() => 200)]);
    await expectAllAsked(byScript.id);

    if ((await page.evaluate(playsHls)) === '') without('a Chromium that plays HLS', context);
    const byVideo = await issue();
    expect(await page.evaluate(playAll(byVideo.url))).toBeCloseTo(SECONDS);
    await expectAllAsked(byVideo.id);
  },
);
