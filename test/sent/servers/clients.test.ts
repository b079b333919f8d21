import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makePlaylist, play, SECONDS } from '../../clients/hls.ts';
import { client, downloader } from '../../clients/programs.ts';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest } from '../../support/for-test.ts';
import { type ReportingSite, startReportingSite } from '../../support/sent.ts';
import { modes } from '../../support/site.ts';

const SIZE = 8_000_000;

describe.each(modes)('delivery: what clients download by %s', (mode) => {
  let site: ReportingSite;
  beforeAll(async () => {
    site = await startReportingSite({
      mode,
      files: { 'big.bin': randomBytes(SIZE) },
      server: 'http2 on;',
    });
  });
  afterAll(() => site.stop());

  test('an interrupted download is whole after it was resumed', async (context) => {
    const curl = await downloader('curl', context);
    const { id, url } = await site.issue({ path: '/download/big.bin', limit_rate: 4_000_000 });
    const file = join(await folderForTest(), 'big.bin');
    const download = { url: site.nginx.url(url), file };
    await curl.cut(download, 100_000);
    expect(await site.delivered(id, 1)).toMatchObject({ size: SIZE, whole: false });
    expect(await curl.resume(download)).toMatchObject({ code: 0 });
    expect(await site.delivered(id, 2)).toMatchObject({ requests: 2, whole: true });
  });

  test('aria2c with eight connections: a whole file from its ranges', async (context) => {
    const aria2c = await downloader('aria2c', context);
    const { id, url } = await site.issue({ path: '/download/big.bin', limit_rate: 2_000_000 });
    const file = join(await folderForTest(), 'big.bin');
    const more = ['-x8', '-s8', '-k1M'];
    const ended = await aria2c.download({ url: site.nginx.url(url), file, more });
    expect(ended).toMatchObject({ code: 0 });
    const { requests, whole } = await waitFor(
      async () => {
        const sent = await site.delivered(id, 1);
        return sent.whole === true && sent;
      },
      { what: 'all ranges' },
    );
    expect([requests > 1, whole]).toEqual([true, true]);
  });

  test('over HTTP/2 the bytes are those of the body', async (context) => {
    const curl = await downloader('curl', context);
    const { id, url } = await site.issue({ path: '/download/big.bin' });
    const file = join(await folderForTest(), 'big.bin');
    const more = ['--http2-prior-knowledge'];
    const download = { url: site.nginx.url(url), file, more };
    expect(await curl.download(download)).toMatchObject({ code: 0 });
    expect(await site.delivered(id, 1)).toMatchObject({ bytes: SIZE, whole: true });
  });

  test('ffmpeg plays HLS: a prefix has the sum of all segments', async (context) => {
    const ffmpeg = await client('ffmpeg', context);
    const ffprobe = await client('ffprobe', context);
    const folder = join(site.files, 'hls');
    const segments = await makePlaylist(ffmpeg, folder);
    const { id, url } = await site.issue({ prefix: '/download/hls/' });
    await play(ffprobe, site.nginx.url(`${url}index.m3u8`));
    const names = ['index.m3u8', ...segments];
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(folder, name))).size),
    );
    const sent = await site.delivered(id, SECONDS + 1);
    expect(sent).not.toHaveProperty('whole');
    expect(sent.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });
});

test('delivery: a flood of 100,000 lines leaves the service answering, and its memory bounded', async () => {
  const site = await startReportingSite({ mode: 'auth_request', files: { 'a.txt': 'hello' } });
  onTestFinished(site.stop);
  const { url } = await site.issue({ path: '/download/a.txt' });
  const before = process.memoryUsage().heapUsed;
  const line = (i: number) =>
    `<190>x: ${String(i).padStart(22, '0')} 206 1 1 bytes ${i}-${i}/200000`;
  const statuses: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    await site.send(...Array.from({ length: 1000 }, (_, j) => line(1000 * i + j)));
    if (i % 10 === 0) statuses.push((await site.ask('GET', url)).status);
  }
  expect(statuses).toEqual(Array(10).fill(200));
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20);
});
