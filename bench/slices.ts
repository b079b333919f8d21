import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { startNginx } from '../test/harness/nginx.ts';
import { startService } from '../test/harness/service.ts';
import { cpuSeconds } from '../test/harness/usage.ts';

/** A file of 200 MB, downloaded so often in each round. */
const [SIZE, TIMES, ROUNDS] = [200_000_000, 10, Number(process.env.ROUNDS ?? 5)];

/** The slices that are compared: `SLICES=1m,2m,4m`. Default: as in slices.conf. */
const SLICES = (process.env.SLICES ?? '').split(',');

const KEY = 'a-benchmark-of-slices';

/** One site for each way: without slices, and with each of the sizes. */
async function startSite(gatePort: number, slice: string | undefined) {
  return startNginx({
    config: ({ port, dir }) => {
      writeFileSync(join(dir, 'big.bin'), Buffer.alloc(SIZE));
      const snippet = join(dir, 'postern', 'slices.conf');
      const text = readFileSync(snippet, 'utf8');
      if (slice) writeFileSync(snippet, text.replace(/^slice \w+;/m, `slice ${slice};`));
      const locations = `
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ { include postern/internal.conf; alias ${dir}/; }`;
      const outer = `
        location ^~ /download/ {
          include postern/slices.conf; proxy_pass http://unix:${dir}/inner.sock;
        }`;
      return `
        include postern/http.conf;
        access_log off; sendfile on;
        upstream postern { server 127.0.0.1:${gatePort}; keepalive 16; }
        server {
          listen 127.0.0.1:${port}; server_name files.example;
          ${slice === undefined ? locations : outer}
        }
        server {
          listen unix:${dir}/inner.sock; server_name files.example;
          include postern/inner.conf;
          ${locations}
        }`;
    },
  });
}

async function download(url: string): Promise<void> {
  const bytes = await new Promise<number>((resolve, reject) => {
    let received = 0;
    get(url, { agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('end', () => resolve(received));
    }).on('error', reject);
  });
  if (bytes !== SIZE) throw new Error(`a download ended after ${bytes} bytes`);
}

const service = await startService({
  env: {
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API_KEYS: `bench:${KEY}`,
    POSTERN_MAX_EXPIRES_IN: '86400',
  },
});
const ways = [undefined, ...SLICES];
const sites = await Promise.all(ways.map((slice) => startSite(service.gatePort, slice)));
try {
  const issued = await fetch(`http://127.0.0.1:${service.apiPort}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ path: '/download/big.bin', expires_in: 3600 }),
  });
  const { url } = (await issued.json()) as { url: string };
  const costs: number[][] = sites.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, site] of sites.entries()) {
      const before = cpuSeconds(site.pid);
      for (let time = 0; time < TIMES; time += 1) await download(site.url(url));
      costs[i]?.push(((cpuSeconds(site.pid) - before) * 1e9) / (SIZE * TIMES));
    }
  }
  const median = (values: readonly number[]) =>
    [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const plain = median(costs[0] ?? []);
  console.log('| way | nginx CPU seconds for each GB | ÷ without slices |\n|---|--:|--:|');
  for (const [i, slice] of ways.entries()) {
    const cost = median(costs[i] ?? []);
    const title = slice === undefined ? 'without slices' : `slices ${slice}`;
    console.log(`| ${title} | ${cost.toFixed(2)} | ${(cost / plain).toFixed(1)} |`);
  }
} finally {
  await Promise.all([...sites.map((site) => site.stop()), service.stop()]);
}
