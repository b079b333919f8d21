import { join } from 'node:path';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { client } from '../clients/client.ts';
import { fragments, makePlaylist, SECONDS } from '../clients/hls.ts';
import { waitForLines } from '../clients/site-log.ts';
import { stateOf, usedOnceFrom } from '../clients/state.ts';
import { without } from '../support/need-tool.ts';
import { startSite } from '../support/site.ts';
import { cases, openBrowser } from './browser.ts';
import { pageOf, pagesLocation } from './pages.ts';

const prefix = '/download/hls/';
const playsHls = `document.createElement('video').canPlayType('application/vnd.apple.mpegurl')`;

/** Plays it as fast as possible. Returns its length, or the error. */
const playAll = (url: string) => `new Promise((resolve) => {
  const video = document.createElement('video');
  video.muted = true;
  video.defaultPlaybackRate = 16;
  video.onended = () => resolve(video.duration);
  video.onerror = () => resolve(video.error.message);
  video.src = ${JSON.stringify(url)};
  video.play().catch(({ message }) => resolve(message));
})`;

/** Fetches the playlist and its segments, as scripts that play HLS do. Returns the statuses. */
const fetchAll = (url: string) => `(async () => {
  const playlist = await fetch(${JSON.stringify(url)});
  const text = await playlist.text();
  const names = [...text.matchAll(/^[^#].*|(?<=URI=")[^"]+/gm)].map(([name]) => name);
  const urls = names.map((name) => new URL(name, playlist.url));
  const rest = await Promise.all(urls.map((one) => fetch(one)));
  return [playlist, ...rest].map(({ status }) => status);
})()`;

async function startFilm([name, mode]: (typeof cases)[0], context: TestContext) {
  const browser = await openBrowser(name, context);
  const ffmpeg = await client('ffmpeg', context);
  const site = await startSite({ mode, locations: pagesLocation });
  onTestFinished(() => site.stop());
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'), fragments);
  const page = await browser.open(await pageOf(site, 'A page of the site'));
  const once = { prefix, cookie: true, max_uses: 1, bind: 'cookie' };
  const { id, access_token } = await site.issue(once);
  return {
    page,
    segments,
    url: `${prefix}index.m3u8?token=${access_token}`,
    async expectAllAsked() {
      const lines = await waitForLines(site, id, ({ length }) => length > segments.length);
      expect(lines.map(({ code }) => code)).toEqual(lines.map(() => 'allow'));
      const asked = lines.map(({ request }) => request.split(' ')[1]).sort();
      const plain = segments.map((file) => prefix + file);
      expect(asked).toEqual([`${prefix}index.m3u8?token=***`, ...plain].sort());
      expect(await stateOf(site, id)).toMatchObject(usedOnceFrom('127.0.0.1'));
    },
  };
}

test.for(cases)(
  '%s: a script fetches HLS with the cookie of a token with one use by %s',
  async (one, context) => {
    const { page, segments, url, expectAllAsked } = await startFilm(one, context);
    const statuses = await page.evaluate(fetchAll(url));
    expect(statuses).toEqual([200, ...segments.map(() => 200)]);
    await expectAllAsked();
  },
);

// Firefox plays HLS only by a script.
test.for(cases.filter(([name]) => name === 'Chromium'))(
  '%s: a video element plays HLS with the cookie of a token with one use by %s',
  async (one, context) => {
    const { page, url, expectAllAsked } = await startFilm(one, context);
    if ((await page.evaluate(playsHls)) === '') without('a Chromium that plays HLS', context);
    expect(await page.evaluate(playAll(url))).toBeCloseTo(SECONDS);
    await expectAllAsked();
  },
);
