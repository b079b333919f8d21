import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../harness/paths.ts';
import { startRedis } from '../harness/redis.ts';
import { startService, storeReady } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi } from '../support/ask-service.ts';
import { selfSigned } from '../support/certificate.ts';
import { type ReportingSite, startReportingSite } from '../support/delivery.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import {
  DAY,
  download,
  hasHttp3,
  INNER,
  type Protocol,
  SLICE,
  sliced,
} from '../support/nginx/slices.ts';
import { hasHttp2 } from '../support/nginx-version.ts';
import { CONFIG, configFile, MOUNT } from '../support/reloading.ts';
import { countAsked, type SiteOptions, startFront, useSite } from '../support/site.ts';

const MiB = 1_048_576;
const PATH = '/download/big.bin';

describe('slices: a revocation ends a running download after at most one more slice', () => {
  const PROTOCOLS: readonly Protocol[] = [
    'HTTP/1.1',
    'TLS',
    ...(hasHttp2 ? ['HTTP/2' as const] : []),
    ...(hasHttp3 ? ['HTTP/3' as const] : []),
  ];
  const FILE = Buffer.alloc(40 * MiB, 'x');
  const site = useSite(async () => {
    const folder = await temporaryFolder();
    const { certificate, key } = selfSigned('files.example');
    writeFileSync(join(folder, 'cert.pem'), certificate);
    writeFileSync(join(folder, 'key.pem'), key);
    // 4 MB/s, with the slices of the snippet.
    return {
      ...sliced({ size: undefined, outer: 'limit_rate 4m;' }),
      files: { 'big.bin': FILE },
      server: `listen 127.0.0.1:$front ssl; ${hasHttp2 ? 'http2 on;' : ''}
        ${hasHttp3 ? 'listen 127.0.0.1:$front quic;' : ''}
        ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;`,
    };
  });

  test.each(['token', 'subject', 'client'])('by %s', async (by) => {
    const { store } = site.postern;
    const running = await Promise.all(
      PROTOCOLS.map(async (protocol) => {
        const { url, id } = await site.issue({ path: PATH, subject: 'ada' });
        const [http, tls] = site.nginx.ports;
        const origin =
          protocol === 'HTTP/1.1' ? `http://127.0.0.1:${http}` : `https://127.0.0.1:${tls}`;
        return { protocol, url, id, ...download(protocol, origin, url) };
      }),
    );
    await waitFor(() => running.every(({ received }) => received() > MiB), {
      what: 'a MiB of each',
    });
    const had = running.map(({ received }) => received());
    if (by === 'token') for (const { id } of running) await store.revoke(id, 'test');
    else await store.revokeAll('test', by === 'subject' ? { subject: 'ada' } : {});
    for (const [i, { protocol, received, end, url }] of running.entries()) {
      expect([protocol, await end]).toEqual([protocol, 'error']);
      // The slice that was running, and what nginx and the system hold.
      expect(received() - (had[i] ?? 0)).toBeLessThan(9 * MiB);
      const rest = await site.ask('GET', url, { Range: `bytes=${received()}-` });
      expect(rest.status).toBe(401);
    }
  });
});

describe('slices: delivery reports', () => {
  const FILE = randomBytes(SLICE * 4 + 1000);
  const LONG = randomBytes(SLICE * 40);
  const start = (outer = '', around?: SiteOptions['around']): Promise<ReportingSite> =>
    forTest(
      startReportingSite({
        ...sliced({ outer, log: '' }),
        ...(around && { around }),
        files: { 'big.bin': FILE, 'long.bin': LONG },
      }),
    );

  test('count what the requester got, once, although nginx has read whole slices', async () => {
    const site = await start();
    const rows: ReadonlyArray<readonly [range: string | undefined, bytes: number]> = [
      [undefined, FILE.length],
      ['bytes=0-0', 1],
      [`bytes=${SLICE + 5}-${SLICE + 9}`, 5],
      [`bytes=${SLICE - 5}-${SLICE * 3 + 5}`, SLICE * 2 + 11],
      ['bytes=-7', 7],
      ['bytes=0-1,5-6', FILE.length],
    ];
    for (const [Range, bytes] of rows) {
      const { url, id } = await site.issue({ path: PATH });
      await site.ask('GET', url, Range === undefined ? {} : { Range });
      const sent = await site.delivered(id, 1);
      // A range over several slices counts from the start of its first slice.
      const more = bytes > SLICE && bytes < FILE.length ? SLICE - 5 : 0;
      expect([Range, sent.requests, sent.bytes]).toEqual([Range, 1, expect.any(Number)]);
      expect(sent.bytes - bytes).toBeLessThanOrEqual(more);
      expect(sent.bytes).toBeGreaterThanOrEqual(bytes);
      if (bytes === FILE.length) expect(sent.whole).toBe(true);
    }
  });

  test('an interrupted download, resumed, is whole', async () => {
    const site = await start('limit_rate 400k;');
    const { url, id } = await site.issue({ path: '/download/long.bin' });
    const running = download('HTTP/1.1', site.nginx.url(''), url);
    const grows = async () => (await site.postern.store.delivered(id))?.bytes ?? 0;
    await expect.poll(() => grows(), { message: 'a report while it runs' }).toBeGreaterThan(0);
    expect(await site.postern.store.delivered(id)).toMatchObject({ requests: 0, whole: false });
    const sofar = await grows();
    expect(sofar).toBeLessThanOrEqual(running.received() + SLICE);
    await site.postern.store.revoke(id, 'nobody');
    expect([await running.end, running.received()]).toEqual(['complete', LONG.length]);
    const sent = { requests: 1, bytes: LONG.length, size: LONG.length, whole: true };
    expect(await site.delivered(id, 1)).toMatchObject(sent);
  });

  test('max_bytes ends a running download one slice later, if no report is late', async () => {
    const max = SLICE * 4;
    let [id, slices] = ['', 0];
    const site: ReportingSite = await start('', (gate) => async (...asked) => {
      // The end of a slice reports those before it.
      const before = (slices - 1) * SLICE;
      const isReported = async () => {
        await site.samples();
        return ((await site.postern.store.delivered(id))?.bytes ?? 0) >= before;
      };
      await waitFor(isReported, { what: 'the report of the slice before' });
      slices += 1;
      gate(...asked);
    });
    const issued = await site.issue({ path: '/download/long.bin', max_bytes: max });
    id = issued.id;
    const running = download('HTTP/1.1', site.nginx.url(''), issued.url);
    expect([await running.end, running.received()]).toEqual(['error', max + SLICE]);
    expect(await site.delivered(id, 1)).toMatchObject({ bytes: max + SLICE });
    expect((await site.ask('GET', issued.url)).status).toBe(401);
  });
});

test('slices: with X-Accel in the inner block, a revocation ends a download too', async () => {
  const inner = INNER.replace('protect', 'x-accel');
  const site = await forTest(
    startReportingSite({
      ...sliced({ inner, outer: 'limit_rate 400k;' }),
      files: { 'big.bin': randomBytes(SLICE * 30) },
    }),
  );
  const asked = countAsked(site);
  const { url, id } = await site.issue({ path: PATH, subject: 'ada' });
  const running = download('HTTP/1.1', site.nginx.url(''), url);
  await expect.poll(() => asked(), { message: 'the second slice' }).toBeGreaterThan(1);
  await site.postern.store.revoke(id, 'test');
  expect(await running.end).toBe('error');
  expect(await site.line(id)).toMatchObject({ subject: 'ada', code: 'allow', completion: '' });
});

describe('slices: a running download ends if what it asks is down, and can be resumed', () => {
  const FILE = randomBytes(SLICE * 24);
  test.each([
    ['Redis', 'SIGKILL'],
    ['Redis', 'SIGSTOP'],
    ['Postern', 'SIGKILL'],
    ['Postern', 'SIGSTOP'],
  ] as const)('%s by %s', async (what, signal) => {
    const args = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const redis = await forTest(startRedis({ args, folder: await folderForTest() }));
    const mounts = [{ ...MOUNT, download_time: DAY }];
    const { path } = await configFile({ ...CONFIG, mounts, store: redis.url });
    const env = { POSTERN_CONFIG: path };
    const postern = await forTest(startService({ env }));
    await storeReady(postern);
    const site = await forTest(
      startFront({
        ...sliced({ outer: 'limit_rate 400k;' }),
        servers: `server 127.0.0.1:${postern.gatePort};`,
        files: { 'big.bin': FILE },
      }),
    );
    const json = { path: PATH, expires_in: 600 };
    const { url } = (await askApi(postern, 'POST /tokens', { json })).body;
    const running = download('HTTP/1.1', site.nginx.url(''), url);
    await expect.poll(() => running.received()).toBeGreaterThan(0);
    process.kill((what === 'Redis' ? redis : postern).pid, signal);
    expect(await running.end).toBe('error');
    const have = running.received();
    expect(have).toBeLessThan(FILE.length);
    if (signal === 'SIGSTOP') process.kill((what === 'Redis' ? redis : postern).pid, 'SIGCONT');
    else if (what === 'Redis') await redis.restart();
    else {
      const POSTERN_LISTEN = `127.0.0.1:${postern.gatePort}`;
      await forTest(startService({ env: { ...env, POSTERN_LISTEN } }));
    }
    const resume = async () => {
      const rest = await fetch(site.nginx.url(url), { headers: { Range: `bytes=${have}-` } });
      return rest.status === 206 && Buffer.from(await rest.arrayBuffer());
    };
    const rest = await waitFor(resume, { what: 'the rest' });
    expect(rest.equals(FILE.subarray(have))).toBe(true);
  });
});
