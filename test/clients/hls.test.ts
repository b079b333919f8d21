import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSite, ways } from '../support/site.ts';
import { client } from './client.ts';
import { FRAMES, makePlaylist, play, SECONDS } from './hls.ts';
import { waitForLines } from './site-log.ts';

const whole = { seconds: SECONDS, frames: FRAMES, stderr: '' };

test.for(ways)('ffmpeg plays a folder by its path token by %s', async (way, context) => {
  const ffmpeg = await client('ffmpeg', context);
  const ffprobe = await client('ffprobe', context);
  const site = await startSite({ way });
  onTestFinished(() => site.stop());
  const segments = await makePlaylist(ffmpeg, join(site.files, 'hls'));
  expect(segments).toHaveLength(SECONDS);
  const { id, url } = await site.issue({ prefix: '/download/hls/' });

  expect(await play(ffprobe, site.nginx.url(`${url}index.m3u8`))).toEqual(whole);

  const lines = await waitForLines(site, id, ({ length }) => length > segments.length);
  const asked = lines.map(({ request }) => request);
  for (const name of ['index.m3u8', ...segments]) {
    expect(asked).toContain(`GET /download/~***/hls/${name} HTTP/1.1`);
  }
});
