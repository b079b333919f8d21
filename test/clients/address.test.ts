import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startSite } from '../support/site.ts';
import { downloader, downloaders, hasAddresses } from './download.ts';
import { testFolder } from './folder.ts';
import { waitForLines } from './site-log.ts';

test.runIf(hasAddresses).for(downloaders)(
  '%s: the test client sends requests from the given address',
  async (name, context) => {
    const program = await downloader(name, context);
    const site = await startSite({ mode: 'auth_request', files: { 'a.txt': 'hello' } });
    onTestFinished(() => site.stop());
    const { id, url } = await site.issue({ path: '/download/a.txt' });
    const file = join(await testFolder(), 'a.txt');

    const ended = await program.download({ url: site.nginx.url(url), file, from: '127.0.0.5' });

    expect(ended).toMatchObject({ code: 0 });
    const [line] = await waitForLines(site, id, ({ length }) => length > 0);
    expect(line).toMatchObject({ address: '127.0.0.5', status: 200 });
  },
);
