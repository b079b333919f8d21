import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReportingSite, startReportingSite } from '../support/delivery.ts';
import { forTest } from '../support/for-test.ts';
import { apiKey, KEY, mount } from '../support/postern.ts';
import { countAsked, gateSnippet, modes } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';
import { startStorage } from '../support/storage.ts';

const SIZE = 8_000_000;
const FILES = {
  'a.txt': 'hello',
  'empty.txt': '',
  'big.bin': randomBytes(SIZE),
};

describe.each(modes)('delivery: what nginx reports by %s', (mode) => {
  let site: ReportingSite;
  const logged: Array<Record<string, unknown>> = [];
  beforeAll(async () => {
    const write = (line: string) => void logged.push(JSON.parse(line));
    site = await startReportingSite({ mode, files: FILES, log: pino({}, { write }) });
  });
  afterAll(() => site.stop());

  const completions = (id: string) =>
    logged.filter(({ msg, token_id }) => msg === 'delivered' && token_id === id);

  test('a whole file, once for a token', async () => {
    const { id, url } = await site.issue({ path: '/download/a.txt', subject: 'ada' });
    const began = Math.floor(Date.now() / 1000);
    await site.ask('GET', url);
    const { first, last, ...sent } = await site.delivered(id, 1);
    expect(sent).toEqual({ requests: 1, bytes: 5, size: 5, whole: true });
    expect(first).toBeGreaterThanOrEqual(began);
    expect(last).toBe(first);
    await site.ask('GET', url);
    expect(await site.delivered(id, 2)).toMatchObject({ requests: 2, bytes: 10, whole: true });
    const line = { client: 'test', subject: 'ada', path: '/download/a.txt' };
    expect(completions(id)).toMatchObject([line]);
  });

  test('only responses with a file count', async () => {
    const { id, url } = await site.issue({ path: '/download/a.txt' });
    const gone = await site.issue({ path: '/download/none.txt' });
    await site.ask('GET', '/download/a.txt');
    await site.ask('GET', url.replace('a.txt', 'big.bin'));
    await site.ask('HEAD', url);
    await site.ask('GET', url, { 'If-None-Match': '*' });
    await site.ask('GET', url, { Range: 'bytes=9-' });
    await site.ask('GET', gone.url);
    await site.ask('GET', url, { Range: 'bytes=0-1' });
    expect(await site.delivered(id, 1)).toMatchObject({ requests: 1, bytes: 2, whole: false });
    expect(await site.postern.store.delivered(gone.id)).toBeUndefined();
  });

  test('ranges in any order make it whole, several in one response do not', async () => {
    const { id, url } = await site.issue({ path: '/download/big.bin' });
    const range = (value: string) => site.ask('GET', url, { Range: `bytes=${value}` });
    await range('0-1,5-6');
    await range('4000000-');
    await range('0-1999999');
    expect(await site.delivered(id, 3)).toMatchObject({ size: SIZE, whole: false });
    await range('2000000-3999999');
    const { bytes, whole } = await site.delivered(id, 4);
    expect([bytes >= SIZE + 4, whole]).toEqual([true, true]);
    await expect.poll(() => completions(id), { message: 'the log line' }).toHaveLength(1);
  });

  test('an empty file is whole after a GET, not after a HEAD', async () => {
    const { id, url } = await site.issue({ path: '/download/empty.txt' });
    await site.ask('HEAD', url);
    await site.ask('GET', url);
    expect(await site.delivered(id, 1)).toMatchObject({ requests: 1, bytes: 0, whole: true });
  });
});

test('delivery: downloads with a cached decision count', async () => {
  const options = { files: FILES, decisionTtl: 60, http: CACHE_CONF };
  const site = await forTest(startReportingSite({ mode: 'auth_request', ...options }));
  const asked = countAsked(site);
  const { id, url } = await site.issue({ path: '/download/a.txt' });
  for (let i = 0; i < 5; i += 1) await site.ask('GET', url);
  expect(await site.delivered(id, 5)).toMatchObject({ requests: 5, bytes: 25 });
  expect(asked()).toBe(1);

  // A decision with max_bytes is not cached: each request is checked.
  const limited = await site.issue({ path: '/download/a.txt', max_bytes: 5 });
  expect((await site.ask('GET', limited.url)).status).toBe(200);
  await site.delivered(limited.id, 1);
  expect((await site.ask('GET', limited.url)).status).toBe(401);
});

test.each(modes)('delivery: files of an object store count by %s', async (mode) => {
  const storage = await forTest(startStorage({ '/bucket/a.txt': 'x'.repeat(1000) }));
  const options = {
    mode,
    mounts: [mount('/download/', '/s3/bucket/')],
    apiKeys: [apiKey(KEY, { targets: ['/s3/bucket/'] })],
    only: `
      location ^~ /download/ { ${gateSnippet(mode)} }
      location ^~ /s3/ {
        include postern/internal-proxy.conf;
        proxy_pass http://127.0.0.1:${storage.port}/;
      }`,
  };
  const site = await forTest(startReportingSite(options));
  const { id, url } = await site.issue({
    path: '/download/a.txt',
    target: '/s3/bucket/a.txt',
    target_args: storage.presign('/bucket/a.txt'),
  });
  await site.ask('GET', url, { Range: 'bytes=0-399' });
  expect(await site.delivered(id, 1)).toMatchObject({ bytes: 400, size: 1000, whole: false });
  await site.ask('GET', url, { Range: 'bytes=400-' });
  expect(await site.delivered(id, 2)).toMatchObject({ bytes: 1000, size: 1000, whole: true });
});
