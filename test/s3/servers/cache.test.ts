import { mkdir, readdir, readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectRoot, temporaryFolder } from '../../harness/paths.ts';
import type { Buckets } from '../../harness/s3.ts';
import { docsBlock } from '../../support/docs/blocks.ts';
import { START_MS, startStorageSite } from '../../support/storage-sites.ts';

interface HotObjectsOptions {
  /** Whether nginx keeps parts of objects. */
  readonly slices?: boolean;
  readonly now?: () => number;
}

/** A site with the cache of nginx/examples/object-cache.conf, its folder, and the number of decisions. */
async function startHotObjects(buckets: Buckets, options: HotObjectsOptions = {}) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'socket'));
  const example = join(projectRoot, 'nginx', 'examples', 'object-cache.conf');
  const recipe = await readFile(example, 'utf8');
  const slices = docsBlock('guides/object-store.md', 'slice 1m');
  const cacheOf = (port: number) => {
    const cache = recipe
      .slice(recipe.indexOf('proxy_cache_path'), recipe.indexOf('server {\n    listen 127'))
      .replace('/var/cache/nginx/objects', join(folder, 'objects'))
      .replace('unix:/run/nginx-objects/objects.sock', `unix:${folder}/socket/objects.sock`)
      .replace('127.0.0.1:9000', `127.0.0.1:${port}`);
    if (options.slices !== true) return cache;
    return cache.replace(/ *proxy_cache_valid .*\n/, '').replace(/ *proxy_cache_key .*\n/, slices);
  };
  const state = { decided: 0, objects: join(folder, 'objects') };
  const site = await startStorageSite(buckets, {
    mode: 'auth_request',
    ...(options.now !== undefined && { now: options.now }),
    httpOf: cacheOf,
    proxyPass: `http://unix:${folder}/socket/objects.sock:/media/videos/$postern_object?$args`,
    onDecision: () => {
      state.decided += 1;
    },
  });
  onTestFinished(() => site.stop());
  return Object.assign(state, { site });
}

test(
  'docs/guides/object-store.md: hits of the cache of hot objects ask the gate, have no signature in their key, and need a token',
  async () => {
    const hot = await startHotObjects({ media: { 'videos/a b+c.txt': 'the object' } });
    const { site } = hot;
    const name = encodeURIComponent('a b+c.txt');
    const ask = async (url: string, headers = {}) => {
      const { status, text } = await site.ask('GET', url, headers);
      return [status, text];
    };
    const first = await site.issue({ prefix: '/media/' });
    expect(await ask(first.url + name)).toEqual([200, 'the object']);
    // From now on, only the cache can answer.
    await site.s3.stop();
    const second = await site.issue({ path: '/media/a b+c.txt', max_uses: 1 });
    expect(await ask(second.url)).toEqual([200, 'the object']);
    expect(await ask(first.url + name, { Range: 'bytes=4-' })).toEqual([206, 'object']);
    expect(hot.decided).toBe(3);
    expect((await ask(`/media/${name}`))[0]).toBe(401);
    expect((await ask(`/s3-media/${name}`))[0]).toBe(404);
    await site.postern.store.revoke(first.id, 'test');
    expect((await ask(first.url + name))[0]).toBe(401);
  },
  START_MS,
);

const MIB = 1024 * 1024;
const SIZE = 6 * MIB;

test(
  'docs/guides/object-store.md: nginx keeps parts of objects, and fetches them with one signature',
  async () => {
    const clock = { ahead: 0 };
    const [fast, slower] = [Buffer.alloc(SIZE, 7), Buffer.alloc(SIZE, 8)];
    const media = { 'videos/a.bin': fast, 'videos/slow.bin': slower };
    const now = () => Date.now() + clock.ahead;
    const hot = await startHotObjects({ media }, { slices: true, now });
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
    const limit = { expires_in: 600, limit_rate: MIB / 2 };
    const slow = await site.issue({ path: '/media/slow.bin', ...limit });
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
