import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { startNginx } from '../test/harness/nginx.ts';
import { temporaryFolder } from '../test/harness/paths.ts';
import { startService } from '../test/harness/service.ts';
import { cpuSeconds, peakBytes } from '../test/harness/usage.ts';

const number = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise);

/** A file of 1 GB, downloaded so often in each round, or by so many requesters at once: `PARALLEL=100 SIZE=200000000 TIMES=1`. */
const SIZE = number('SIZE', 1_000_000_000);
const TIMES = number('TIMES', 2);
const PARALLEL = number('PARALLEL', 1);
const ROUNDS = number('ROUNDS', 5);

/**
 * The ways that are compared, each with other values of directives of slices.conf: `WAYS='slice 4m,slice 2m;proxy_buffers 2 64k'`.
 * Default: as in slices.conf.
 */
const WAYS = (process.env.WAYS ?? '').split(',');

const KEY = 'a-benchmark-of-slices';

/** One site for each way: without slices, and with each of the sizes. */
async function startSite(gatePort: number, way: string | undefined) {
  return startNginx({
    config: ({ port, dir }) => {
      const snippet = join(dir, 'postern', 'slices.conf');
      for (const line of (way ?? '').split(';').filter(Boolean)) {
        const directive = new RegExp(`(?<=^|; )${line.split(' ')[0]} [^;\\n]+;`, 'm');
        writeFileSync(snippet, readFileSync(snippet, 'utf8').replace(directive, `${line};`));
      }
      const locations = `
        include postern/auth-request.conf;
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ { include postern/internal.conf; alias ${folder}/; }`;
      const outer = `
        location ^~ /download/ {
          include postern/slices.conf; proxy_pass http://unix:${dir}/inner.sock;
        }`;
      return `
        include postern/http.conf;
        access_log off; sendfile on; send_timeout 1h;
        upstream postern { server 127.0.0.1:${gatePort}; keepalive 16; }
        server {
          listen 127.0.0.1:${port}; server_name files.example;
          ${way === undefined ? locations : outer}
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
      response.on('error', reject);
    }).on('error', reject);
  });
  if (bytes !== SIZE) throw new Error(`a download ended after ${bytes} bytes`);
}

const folder = await temporaryFolder();
writeFileSync(join(folder, 'big.bin'), '');
truncateSync(join(folder, 'big.bin'), SIZE);
const service = await startService({
  env: {
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API_KEYS: `bench:${KEY}`,
    POSTERN_MAX_EXPIRES_IN: '86400',
  },
});
const ways = [undefined, ...WAYS];
const sites = await Promise.all(ways.map((way) => startSite(service.gatePort, way)));
try {
  const issued = await fetch(`http://127.0.0.1:${service.apiPort}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ path: '/download/big.bin', expires_in: 3600 }),
  });
  const { url } = (await issued.json()) as { url: string };
  const idle = sites.map((site) => peakBytes(site.pid));
  const costs: number[][] = sites.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, site] of sites.entries()) {
      const before = cpuSeconds(site.pid);
      for (let time = 0; time < TIMES; time += 1) {
        await Promise.all(Array.from({ length: PARALLEL }, () => download(site.url(url))));
      }
      costs[i]?.push(((cpuSeconds(site.pid) - before) * 1e9) / (SIZE * PARALLEL * TIMES));
    }
  }
  const median = (values: readonly number[]) =>
    [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const plain = median(costs[0] ?? []);
  console.log(
    '| way | nginx CPU seconds for each GB | ÷ without slices | MB for each GB |\n|---|--:|--:|--:|',
  );
  for (const [i, way] of ways.entries()) {
    const cost = median(costs[i] ?? []);
    const megabytes = ((peakBytes(sites[i]?.pid ?? 0) - (idle[i] ?? 0)) / (SIZE * PARALLEL)) * 1000;
    const title = way === undefined ? 'without slices' : `slices ${way}`;
    console.log(
      `| ${title} | ${cost.toFixed(2)} | ${(cost / plain).toFixed(1)} | ${megabytes.toFixed(1)} |`,
    );
  }
} finally {
  await Promise.all([...sites.map((site) => site.stop()), service.stop()]);
}
