import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { docsBlock } from '../../docs/blocks.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import type { Buckets } from '../../harness/s3.ts';
import { startStorageSite } from './storage-site.ts';

interface HotObjectsOptions {
  /** Whether nginx keeps parts of objects. */
  readonly slices?: boolean;
  readonly now?: () => number;
}

/** A site with the cache of docs/object-store.md, its folder, and the number of decisions. */
export async function startHotObjects(buckets: Buckets, options: HotObjectsOptions = {}) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'socket'));
  const recipe = docsBlock('object-store.md', 'proxy_cache_path');
  const slices = docsBlock('object-store.md', 'slice 1m');
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
