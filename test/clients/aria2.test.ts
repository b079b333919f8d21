import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { modes, startSite } from '../support/site.ts';
import { downloader } from './download.ts';
import { testFolder } from './folder.ts';
import { waitForLines } from './site-log.ts';
import { stateOf, usedOnceFrom } from './state.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(8 * MIB);

test.for(modes)(
  'aria2: eight parallel connections count as one use by %s',
  async (mode, context) => {
    const aria2c = await downloader('aria2c', context);
    const site = await startSite({ mode, files: { 'big.bin': BYTES } });
    onTestFinished(() => site.stop());
    // Slow enough that the first connection has not sent the whole before the others begin.
    const once = { path: '/download/big.bin', max_uses: 1 };
    const issued = await site.issue({ ...once, limit_rate: 1.5 * MIB });
    const url = site.nginx.url(issued.url);
    const file = join(await testFolder(), 'big.bin');

    const ended = await aria2c.download({ url, file, more: ['-x8', '-s8', '-k1M'] });

    expect(ended).toMatchObject({ code: 0 });
    expect((await readFile(file)).equals(BYTES)).toBe(true);
    // The first request has no range, because aria2 also asks for the length. aria2 ends it early.
    const lines = await waitForLines(site, issued.id, ({ length }) => length >= 8);
    expect(lines.filter(({ status }) => status === 206).length).toBeGreaterThanOrEqual(7);
    expect(await stateOf(site, issued.id)).toMatchObject(usedOnceFrom('127.0.0.1'));
  },
);
