import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { writeFiles } from '../support/files.ts';
import { CONFIG, MOUNT, startReloadable, WEB } from '../support/reloading.ts';
import { modes } from '../support/site.ts';
import { CACHE_CONF } from '../support/snippet.ts';
import { startClients } from './racers.ts';
import { filesServer } from './site.ts';

const RELOADS = 20;
const CLIENTS = 16;

// Clients that never stop asking through nginx, and one that never stops issuing tokens.
test.each([
  ...modes.map((mode) => [mode, 'no decision cache', ''] as const),
  ['auth_request', 'a decision cache', CACHE_CONF] as const,
])(
  'races: 20 reloads under load by %s with %s: no request fails',
  async (mode, _, cache) => {
    const ttl = cache === '' ? {} : { decision_ttl: 1 };
    const config = { ...CONFIG, ...ttl, log_level: 'info' };
    const service = await startReloadable(config);
    const nginx = await startNginx({
      config: ({ port, dir }) => `
      keepalive_requests 1000000;
      include postern/http.conf;
      ${cache}
      upstream postern { server 127.0.0.1:${service.gatePort} max_fails=3 fail_timeout=1s; keepalive 256; }
      ${filesServer(mode, port, dir)}`,
    });
    onTestFinished(nginx.stop);
    await writeFiles(join(nginx.dir, 'files'), { a: 'file a' });
    const token = await service.issue({ path: '/download/a', expires_in: 600 });
    const { url } = (await token.json()) as { url: string };

    const clients = await startClients(nginx.port, url, CLIENTS);
    let stopped = false;
    const issued = new Set<number>();
    const issuing = (async () => {
      while (!stopped) issued.add((await service.issue({ path: '/download/a' })).status);
    })();
    await clients.progress(3);
    for (let i = 1; i <= RELOADS; i += 1) {
      // Each one changes something; every fifth is invalid.
      const mounts =
        i % 2 === 0 ? [MOUNT] : [MOUNT, { public: '/media/', internal: '/media-files/' }];
      const next = { ...config, mounts, api_keys: [{ ...WEB, max_expires_in: 600 + i }] };
      const { level } = await service.apply(i % 5 === 0 ? { ...next, mounts: [] } : next);
      expect(level).toBe(i % 5 === 0 ? 'error' : 'info');
      await clients.progress(2);
    }
    stopped = true;
    await issuing;
    expect(issued).toEqual(new Set([201]));
    expect(Object.keys(await clients.stop())).toEqual(['200']);
  },
  120_000,
);
