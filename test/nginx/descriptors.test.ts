import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { servingWorkers } from '../harness/nginx-log.ts';
import { openRaw, requestBytes } from '../support/raw.ts';
import { type Site, siteForTest } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';

// nginx as Debian starts it: no LimitNOFILE in the unit, so 1,024 descriptors for each worker.

async function site(): Promise<Site> {
  const started = await siteForTest({
    mode: 'auth_request',
    files: { 'a.txt': 'file a' },
    decisionTtl: 60,
    // A usual setting of a site. For cached decisions it would keep a descriptor each.
    http: `keepalive_requests 10000; open_file_cache max=10000; ${CACHE_CONF}`,
  });
  const [worker = ''] = servingWorkers(await started.nginx.errorLog());
  await promisify(execFile)('prlimit', ['--pid', worker, '--nofile=1024:1024']);
  return started;
}

/** Every URL twice, with a range each; then the user of another token comes. */
async function askAll({ nginx, issue, ask }: Site, urls: readonly string[]): Promise<void> {
  const connection = await openRaw(nginx.port);
  const statuses = new Map<number, number>();
  for (const url of urls) {
    for (const Range of ['bytes=0-2', 'bytes=3-']) {
      const { status } = await connection.send(requestBytes('GET', url, { Range }));
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }
  connection.close();
  expect(statuses).toEqual(new Map([[206, 2 * urls.length]]));
  const { url } = await issue({ path: '/download/a.txt' });
  const { status, text } = await ask('GET', url);
  expect([status, text]).toEqual([200, 'file a']);
  expect(await nginx.errorLog()).not.toContain('Too many open files');
}

test('decision cache: 1,200 users with two ranges each leave descriptors for the next user', async () => {
  const started = await site();
  const issue = () => started.issue({ path: '/download/a.txt' });
  const issued = await Promise.all(Array.from({ length: 1200 }, issue));
  const urls = issued.map(({ url }) => url);
  await askAll(started, urls);
});

test('decision cache: one token with 1,500 different queries leaves descriptors for the next user', async () => {
  const started = await site();
  const { url } = await started.issue({ path: '/download/a.txt' });
  const urls = Array.from({ length: 1500 }, (_, i) => `${url}&n=${i}`);
  await askAll(started, urls);
});
