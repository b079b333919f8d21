import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRaw, requestBytes } from '../support/raw.ts';
import { modes, startSite } from '../support/site.ts';

const BIG = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 251));

describe.each(modes)('reload: nginx by %s', (mode) => {
  test('a reload interrupts no download, and new requests are decided', async () => {
    const site = await startSite({ mode, files: { 'big.bin': BIG, 'a.txt': 'file a' } });
    onTestFinished(site.stop);
    const big = await site.issue({ path: '/download/big.bin', limit_rate: 150_000 });
    const small = await site.issue({ path: '/download/a.txt' });

    const connection = await openRaw(site.nginx.port);
    onTestFinished(connection.close);
    let finished = false;
    const download = connection.send(requestBytes('GET', big.url)).then((answer) => {
      finished = true;
      return answer;
    });
    await once(connection.socket, 'data');
    await site.nginx.reload();
    const after = await site.ask('GET', small.url);
    expect([after.status, after.text, finished]).toEqual([200, 'file a', false]);
    expect((await site.ask('GET', '/download/a.txt')).status).toBe(401);

    const { status, body } = await download;
    expect([status, body.equals(BIG)]).toEqual([200, true]);
  });

  test('a token stays valid after a restart of nginx', async () => {
    const files = { 'a.txt': 'file a' };
    const first = await startSite({ mode, files });
    const { url } = await first.issue({ path: '/download/a.txt' });
    await first.nginx.stop();
    const second = await startSite({ mode, files, store: first.postern.store });
    onTestFinished(second.stop);
    onTestFinished(first.stop);
    expect((await second.ask('GET', url)).text).toBe('file a');
    expect((await second.ask('GET', '/download/a.txt')).status).toBe(401);
  });
});
