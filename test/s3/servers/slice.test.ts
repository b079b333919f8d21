import { readdir } from 'node:fs/promises';
import { get } from 'node:http';
import { expect, test } from 'vitest';
import { startHotObjects } from './hot-objects.ts';
import { START_MS } from './storage-site.ts';

const MIB = 1024 * 1024;
const SIZE = 6 * MIB;

test(
  'docs/object-store.md: nginx keeps parts of objects, and fetches them with one signature',
  async () => {
    const clock = { ahead: 0 };
    const objects = {
      'videos/a.bin': Buffer.alloc(SIZE, 7),
      'videos/slow.bin': Buffer.alloc(SIZE, 8),
    };
    const hot = await startHotObjects(
      { media: objects },
      { slices: true, now: () => Date.now() + clock.ahead },
    );
    const { site } = hot;
    /** The status, the bytes, and whether they are all. */
    const load = (url: string, headers = {}) =>
      new Promise<[number | undefined, number, boolean]>((resolve, reject) => {
        get(site.nginx.url(url), { agent: false, headers }, (response) => {
          let length = 0;
          response.on('data', (chunk) => {
            length += chunk.length;
          });
          response.on('error', () => {});
          response.on('close', () => resolve([response.statusCode, length, response.complete]));
        }).on('error', reject);
      });
    const parts = async () => {
      const entries = await readdir(hot.objects, { withFileTypes: true, recursive: true });
      return entries.filter((entry) => entry.isFile()).length;
    };

    // Three seconds before the end of its signature, and at a rate that needs more.
    clock.ahead = -57_000;
    const slow = await site.issue({
      path: '/media/slow.bin',
      expires_in: 600,
      limit_rate: MIB / 2,
    });
    const [status, length, isComplete] = await load(slow.url);
    expect([status, isComplete]).toEqual([200, false]);
    expect(length).toBeLessThan(SIZE);
    clock.ahead = 0;
    const kept = await parts();

    const first = await site.issue({ path: '/media/a.bin' });
    const Range = `bytes=${2 * MIB + 5}-${2 * MIB + 9}`;
    expect(await load(first.url, { Range })).toEqual([206, 5, true]);
    expect((await parts()) - kept).toBe(1);
    expect(await load(first.url)).toEqual([200, SIZE, true]);
    expect((await parts()) - kept).toBe(6);
    // From now on, only the cache can answer.
    await site.s3.stop();
    const second = await site.issue({ path: '/media/a.bin', max_uses: 1 });
    expect(await load(second.url)).toEqual([200, SIZE, true]);
    expect(await load(second.url, { Range })).toEqual([206, 5, true]);
    expect(hot.decided).toBe(5);
    expect((await load('/media/a.bin'))[0]).toBe(401);
  },
  START_MS,
);
