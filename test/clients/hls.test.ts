import { join } from 'node:path';
import { expect, test } from 'vitest';
import { modes, type Site, siteForTest } from '../support/site.ts';
import { FRAMES, makePlaylist, play, SECONDS } from './hls.ts';
import { client } from './programs.ts';
import { stateOf, usedOnceFrom, waitForLines } from './state.ts';

const prefix = '/download/hls/';
const whole = { seconds: SECONDS, frames: FRAMES, stderr: '' };

/** For the playlist and its segments, in the order of the names. */
async function requestsOf(site: Site, id: string): Promise<string[]> {
  const lines = await waitForLines(site, id, ({ length }) => length > SECONDS);
  return lines.map(({ request }) => request).sort();
}

const uses = [{}, { max_uses: 1 }, { max_uses: 1, bind: 'cookie' }];

test.for(
  modes.flatMap((mode) => (['path', 'cookie'] as const).map((place) => [mode, place] as const)),
)('ffmpeg: plays HLS by %s with a token in a %s', async ([mode, place], context) => {
  const ffmpeg = await client('ffmpeg', context);
  const ffprobe = await client('ffprobe', context);
  const site = await siteForTest({ mode });
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'));
  expect(segments).toHaveLength(SECONDS);

  for (const more of uses) {
    const cookie = place === 'cookie';
    const { id, url, access_token } = await site.issue({ prefix, cookie, ...more });
    const list = cookie ? `${prefix}index.m3u8?token=${access_token}` : `${url}index.m3u8`;
    expect(await play(ffprobe, site.nginx.url(list))).toEqual(whole);

    const uris = cookie
      ? [`${prefix}index.m3u8?token=***`, ...segments.map((name) => prefix + name)]
      : ['index.m3u8', ...segments].map((name) => `/download/~***/hls/${name}`);
    expect(await requestsOf(site, id)).toEqual(uris.map((uri) => `GET ${uri} HTTP/1.1`).sort());
    const used = 'max_uses' in more ? usedOnceFrom('127.0.0.1') : {};
    expect(await stateOf(site, id)).toMatchObject(used);
  }
});
