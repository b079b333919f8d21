import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { modes, type Site, startSite } from '../support/site.ts';
import { client } from './client.ts';
import { FRAMES, makePlaylist, play, SECONDS } from './hls.ts';
import { waitForLines } from './site-log.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const prefix = '/download/hls/';
const whole = { seconds: SECONDS, frames: FRAMES, stderr: '' };

/** For the playlist and its segments, in the order of the names. */
async function requestsOf(site: Site, id: string): Promise<string[]> {
  const lines = await waitForLines(site, id, ({ length }) => length > SECONDS);
  return lines.map(({ request }) => request).sort();
}

const uses = [{}, { max_uses: 1 }, { max_uses: 1, bind: 'cookie' }];

test.for(modes)('ffmpeg: plays HLS with a token in the path by %s', async (mode, context) => {
  const ffmpeg = await client('ffmpeg', context);
  const ffprobe = await client('ffprobe', context);
  const site = await startSite({ mode });
  onTestFinished(() => site.stop());
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'));
  expect(segments).toHaveLength(SECONDS);

  for (const more of uses) {
    const { id, url } = await site.issue({ prefix, ...more });
    expect(await play(ffprobe, site.nginx.url(`${url}index.m3u8`))).toEqual(whole);

    const uris = ['index.m3u8', ...segments].map((name) => `/download/~***/hls/${name}`);
    expect(await requestsOf(site, id)).toEqual(uris.map((uri) => `GET ${uri} HTTP/1.1`).sort());
    const used = 'max_uses' in more ? usedOnceFrom('127.0.0.1') : {};
    expect(await stateOf(site, id)).toMatchObject(used);
  }
});

test.for(modes)('ffmpeg: plays HLS with a token in a cookie by %s', async (mode, context) => {
  const ffmpeg = await client('ffmpeg', context);
  const ffprobe = await client('ffprobe', context);
  const site = await startSite({ mode });
  onTestFinished(() => site.stop());
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'));

  for (const more of uses) {
    const { id, access_token } = await site.issue({ prefix, cookie: true, ...more });
    const playlist = `${prefix}index.m3u8?token=`;
    expect(await play(ffprobe, site.nginx.url(playlist + access_token))).toEqual(whole);

    const uris = [`${playlist}***`, ...segments.map((name) => prefix + name)];
    expect(await requestsOf(site, id)).toEqual(uris.map((uri) => `GET ${uri} HTTP/1.1`).sort());
    const used = 'max_uses' in more ? usedOnceFrom('127.0.0.1') : {};
    expect(await stateOf(site, id)).toMatchObject(used);
  }
});
