import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Nginx, startNginx } from '../../../dev/nginx.ts';
import { temporaryFolder } from '../../../dev/paths.ts';
import { freePorts } from '../../../dev/ports.ts';
import { type S3, S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../../../dev/s3.ts';
import { type ServiceProcess, startService } from '../../../dev/service.ts';
import { waitFor } from '../../../dev/wait.ts';
import { postern } from '../../cli/postern.ts';
import { selfSigned } from '../../support/certificate.ts';
import { KEY } from '../../support/postern.ts';
import { START_MS } from './storage-site.ts';

const NAME = 'a b+c/日本🎉%.txt';
const SECRETS = [S3_SECRET_KEY, encodeURIComponent(S3_SECRET_KEY)];

interface TlsStorage {
  readonly nginx: Nginx;
  readonly port: number;
  readonly certificate: string;
}

/** An nginx that ends TLS for the storage, and logs how the clients connect. */
async function startTls(s3: S3): Promise<TlsStorage> {
  const { certificate, key } = selfSigned('localhost');
  const [port = 0] = await freePorts(1);
  const nginx = await startNginx({
    config: ({ dir }) => {
      writeFileSync(join(dir, 'tls.pem'), certificate);
      writeFileSync(join(dir, 'tls.key'), key);
      return `
        log_format tls '$connection $ssl_server_name $http_host $status';
        access_log tls.log tls;
        server {
          listen 127.0.0.1:${port} ssl;
          ssl_certificate tls.pem;
          ssl_certificate_key tls.key;
          location / {
            proxy_pass http://127.0.0.1:${s3.port};
            proxy_set_header Host $http_host;
          }
        }`;
    },
  });
  return { nginx, port, certificate };
}

describe.each([
  ['auth_request', []],
  ['X-Accel', ['--x-accel']],
])('postern nginx: a mount with a storage, by %s', (_, words) => {
  const ended: Array<() => Promise<unknown>> = [];
  let service: ServiceProcess;
  let site: Nginx;
  let tls: TlsStorage;
  let texts: Record<string, string>;
  let folder: string;
  let trusted: string;

  beforeAll(async () => {
    folder = await temporaryFolder();
    ended.push(() => rm(folder, { recursive: true }));
    const s3 = await startS3({ 'my-media': { [`the videos/${NAME}`]: 'the object' } });
    ended.push(s3.stop);
    tls = await startTls(s3);
    ended.push(tls.nginx.stop);
    const storage = {
      type: 's3',
      endpoint: `https://localhost:${tls.port}`,
      region: S3_REGION,
      bucket: 'my-media',
      prefix: 'the videos/',
      credentials: 'environment',
    };
    const yaml = { mounts: [{ public: '/media/', internal: '/s3/', storage }] };
    await writeFile(join(folder, 'postern.yaml'), JSON.stringify(yaml));
    trusted = join(folder, 'ca.pem');
    await writeFile(trusted, tls.certificate);
    const env = {
      POSTERN_CONFIG: join(folder, 'postern.yaml'),
      POSTERN_API_KEYS: `test:${KEY}`,
      AWS_ACCESS_KEY_ID: S3_ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: S3_SECRET_KEY,
    };
    service = await startService({ env });
    ended.push(service.stop);
    const own = { ...env, POSTERN_LISTEN: `127.0.0.1:${service.gatePort}` };
    const made = await postern(['nginx', '--json', '--server', ...words], folder, { env: own });
    expect(made).toMatchObject({ code: 0 });
    texts = JSON.parse(made.stdout).files;
    site = await startNginx({ config: ({ port, dir }) => write(port, dir) });
    ended.push(site.stop);
  }, START_MS);
  afterAll(async () => {
    for (const end of ended.reverse()) await end();
  });

  /** Writes the generated files, with the addresses and paths of the test. */
  function write(port: number, dir: string): string {
    for (const [name, text] of Object.entries(texts)) {
      mkdirSync(join(dir, dirname(name)), { recursive: true });
      const here = text
        .replace('listen 80;', `listen 127.0.0.1:${port};`)
        .replace('server localhost:', 'server 127.0.0.1:')
        .replace('/etc/ssl/certs/ca-certificates.crt', trusted)
        .replace('/var/log/nginx/access.log', `${dir}/site.log`);
      writeFileSync(join(dir, name), here);
    }
    return 'include conf.d/*.conf;';
  }

  async function issue(...more: string[]): Promise<string> {
    const client = { POSTERN_API: `http://127.0.0.1:${service.apiPort}`, POSTERN_API_KEY: KEY };
    const issued = await postern(['token', 'issue', ...more], folder, { env: client });
    expect(issued).toMatchObject({ code: 0, stderr: '' });
    return issued.stdout.trim();
  }

  test('fetches over TLS with the right server name, on one connection', async () => {
    const url = await issue('--path', `/media/${NAME}`);
    for (let i = 0; i < 5; i += 1) {
      const response = await fetch(site.url(url));
      expect([response.status, await response.text()]).toEqual([200, 'the object']);
    }
    expect((await fetch(site.url(url.replace(/\?.*/, '')))).status).toBe(401);
    const lines = await waitFor(
      async () => {
        const log = await readFile(join(tls.nginx.dir, 'tls.log'), 'utf8');
        const all = log.trim().split('\n');
        return all.length >= 5 && all;
      },
      { what: 'five lines of the storage' },
    );
    const host = `localhost:${tls.port}`;
    expect(lines.map((line) => line.split(' ').slice(1))).toEqual(
      Array.from({ length: 5 }, () => ['localhost', host, '200']),
    );
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(1);
    expect(await site.errorLog()).not.toMatch(/\[(warn|error|emerg|alert|crit)\]/);
  });

  test('does not fetch from a storage whose certificate is not trusted', async () => {
    const url = await issue('--path', `/media/${NAME}`);
    const [good, other] = [trusted, join(folder, 'other.pem')];
    writeFileSync(other, selfSigned('localhost').certificate);
    trusted = other;
    await site.reload(({ port, dir }) => write(port, dir));
    const response = await fetch(site.url(url));
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.not.stringMatching(/object/),
    ]);
    trusted = good;
    await site.reload(({ port, dir }) => write(port, dir));
    expect((await fetch(site.url(url))).status).toBe(200);
  });

  test('the doctor finds nothing in the configuration', async () => {
    const path = join(site.dir, 'nginx.conf');
    const found = await postern(['doctor', '--config', path], folder, {
      env: { POSTERN_CONFIG: join(folder, 'postern.yaml') },
    });
    expect(found.stdout).toMatch(/no findings|nothing/i);
    expect(found.code).toBe(0);
  });

  test('no log, metric or response has the secret of the storage', async () => {
    const api = (path: string) =>
      fetch(`http://127.0.0.1:${service.apiPort}${path}`, {
        headers: { authorization: `Bearer ${KEY}` },
      }).then((response) => response.text());
    const seen = [
      service.stdout(),
      service.stderr(),
      await site.errorLog(),
      await site.accessLog(),
      await api('/metrics'),
      await api('/openapi.json'),
      await api('/readyz'),
      JSON.stringify(texts),
    ].join('\n');
    for (const secret of SECRETS) expect(seen).not.toContain(secret);
    expect(service.stdout()).not.toMatch(/X-Amz|AWS/i);
  });
});
