import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNginx } from '../../harness/nginx.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { freePorts } from '../../harness/ports.ts';
import { startRedis } from '../../harness/redis.ts';
import { type S3, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { waitFor } from '../../harness/wait.ts';
import { selfSigned } from '../../support/certificate.ts';
import { postern } from '../../support/cli/postern.ts';
import { jwksText } from '../../support/jwt/issuers.ts';
import { KEY } from '../../support/postern.ts';
import { startMonitor } from '../../support/racers.ts';
import { type BuiltSite, START_MS, startBuiltSite } from '../../support/storage-sites.ts';

const NAME = 'a b+c/日本🎉%.txt';

/** The secret as text, URL, Base64 and bytes may have it, and the keys that are made from it. */
function secretsOf(time: Date): string[] {
  let key = Buffer.from(`AWS4${S3_SECRET_KEY}`);
  const keys = [Buffer.from(S3_SECRET_KEY), key];
  const day = time.toISOString().slice(0, 10).replaceAll('-', '');
  for (const part of [day, S3_REGION, 's3', 'aws4_request']) {
    key = createHmac('sha256', key).update(part).digest();
    keys.push(key);
  }
  // The middle of a Base64 text, whatever the bytes before it are.
  const base64 = [0, 1, 2].map((skip) =>
    Buffer.from(S3_SECRET_KEY).subarray(skip).toString('base64url').slice(0, 36),
  );
  const encodings = ['hex', 'base64', 'base64url', 'latin1'] as const;
  const texts = keys.flatMap((bytes) => encodings.map((encoding) => bytes.toString(encoding)));
  return [...texts, ...keys.map((bytes) => bytes.join(',')), ...base64];
}

/** A text, and its parts between separators as if they were Base64. */
const decoded = (text: string) => [
  text,
  ...text.split(/[^\w-]+/).map((part) => Buffer.from(part, 'base64url').toString('latin1')),
];

/** An nginx that ends TLS for the storage, and logs how the clients connect. */
async function startTls(s3: S3) {
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
  let built: BuiltSite;
  let tls: Awaited<ReturnType<typeof startTls>>;
  let monitor: Awaited<ReturnType<typeof startMonitor>>;
  let trusted: string;

  beforeAll(async () => {
    const folder = await temporaryFolder();
    ended.push(() => rm(folder, { recursive: true }));
    const s3 = await startS3({ 'my-media': { [`the videos/${NAME}`]: 'the object' } });
    ended.push(s3.stop);
    tls = await startTls(s3);
    ended.push(tls.nginx.stop);
    trusted = join(folder, 'ca.pem');
    await writeFile(trusted, tls.certificate);
    const redis = await startRedis();
    ended.push(redis.stop);
    monitor = await startMonitor(redis);
    const keys = join(folder, 'keys.json');
    await writeFile(keys, await jwksText('EdDSA'));
    built = await startBuiltSite({
      storage: { endpoint: `https://localhost:${tls.port}`, prefix: 'the videos/' },
      env: { POSTERN_STORE: redis.url, POSTERN_JWT_KEYS_FILE: keys, POSTERN_LOG_LEVEL: 'debug' },
      words,
      edit: (text) =>
        text
          .replace('server localhost:', 'server 127.0.0.1:')
          .replace('/etc/ssl/certs/ca-certificates.crt', trusted),
    });
    ended.push(built.stop);
  }, START_MS);
  afterAll(async () => {
    for (const end of ended.reverse()) await end();
  });

  test('fetches over TLS with the right server name, on one connection', async () => {
    const url = await built.issue('--path', `/media/${NAME}`);
    for (let i = 0; i < 5; i += 1) {
      const response = await fetch(built.nginx.url(url));
      expect([response.status, await response.text()]).toEqual([200, 'the object']);
    }
    expect((await fetch(built.nginx.url(url.replace(/\?.*/, '')))).status).toBe(401);
    const five = async () => {
      const log = await readFile(join(tls.nginx.dir, 'tls.log'), 'utf8');
      const all = log.trim().split('\n');
      return all.length >= 5 && all;
    };
    const lines = await waitFor(five, { what: 'five lines of the storage' });
    const host = `localhost:${tls.port}`;
    expect(lines.map((line) => line.split(' ').slice(1))).toEqual(
      Array.from({ length: 5 }, () => ['localhost', host, '200']),
    );
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(1);
    expect(await built.nginx.errorLog()).not.toMatch(/\[(warn|error|emerg|alert|crit)\]/);
  });

  test('does not fetch from a storage whose certificate is not trusted', async () => {
    const url = await built.issue('--path', `/media/${NAME}`);
    const [good, other] = [trusted, join(built.folder, 'other.pem')];
    writeFileSync(other, selfSigned('localhost').certificate);
    trusted = other;
    await built.reload();
    const response = await fetch(built.nginx.url(url));
    const text = await response.text();
    expect([response.status, text.includes('object')]).toEqual([503, false]);
    trusted = good;
    await built.reload();
    expect((await fetch(built.nginx.url(url))).status).toBe(200);
  });

  test('the doctor finds nothing in the configuration', async () => {
    const path = join(built.nginx.dir, 'nginx.conf');
    const found = await postern(['doctor', '--config', path], built.folder, {
      env: { POSTERN_CONFIG: join(built.folder, 'postern.yaml') },
    });
    expect(found.stdout).toMatch(/no findings|nothing/i);
    expect(found.code).toBe(0);
  });

  test('no log, metric, response, token or record has the secret of the storage', async () => {
    const api = async (path: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const url = `http://127.0.0.1:${built.service.apiPort}${path}`;
      return (await fetch(url, { ...init, headers })).text();
    };
    const issued: string[] = [];
    for (const format of ['opaque', 'jwt']) {
      const json = { path: `/media/${NAME}`, subject: 'someone', max_uses: 2, format };
      const text = await api('/tokens', { method: 'POST', body: JSON.stringify(json) });
      issued.push(text, await api(`/tokens/${JSON.parse(text).id}`));
      const { access_token: token, url } = JSON.parse(text);
      expect((await fetch(built.nginx.url(url))).status).toBe(200);
      const body = new URLSearchParams({ token }).toString();
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      const headers = { authorization: `Bearer ${KEY}`, ...type };
      const introspect = `http://127.0.0.1:${built.service.apiPort}/introspect`;
      issued.push(await (await fetch(introspect, { method: 'POST', body, headers })).text());
    }
    const refused = { path: '/media/a', target: '/s3-other/a', target_args: 'a=b' };
    const reload = 'the configuration was reloaded';
    built.service.signal('SIGHUP');
    await expect.poll(() => built.service.stdout(), { message: 'the reload' }).toContain(reload);
    const commands = (await monitor.stop()).flat().join('\n');
    const seen = [
      built.service.stdout(),
      built.service.stderr(),
      await built.nginx.errorLog(),
      await built.nginx.accessLog(),
      ...(await Promise.all(['/metrics', '/openapi.json', '/readyz'].map((path) => api(path)))),
      await api('/tokens?subject=someone'),
      await api('/tokens', { method: 'POST', body: JSON.stringify(refused) }),
      JSON.stringify(built.texts),
      ...issued,
      commands,
    ];
    const all = seen.flatMap(decoded).join('\n');
    // Redis has reported the commands, and the JWT is decoded.
    expect(commands).toContain(JSON.parse(issued[0] ?? '').id);
    expect(all).toContain('"jti":');
    for (const secret of secretsOf(new Date())) expect(all).not.toContain(secret);
    expect(built.service.stdout() + commands).not.toMatch(/X-Amz|AWS/i);
  });
});
