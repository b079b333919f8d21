import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKey } from '../../cli/key/command.ts';
import { startNginx } from '../../test/harness/nginx.ts';
import { temporaryFolder } from '../../test/harness/paths.ts';
import { freePorts } from '../../test/harness/ports.ts';
import type { Running } from '../../test/harness/process.ts';
import { startService } from '../../test/harness/service.ts';

/** What an application of integrations/ gets. */
export interface Place {
  readonly port: number;
  /** For its database, and with `files/` and `key.json`. It is removed at the end. */
  readonly folder: string;
  /** POSTERN_API and POSTERN_API_KEY. */
  readonly env: Readonly<Record<string, string>>;
}

/** An application of integrations/, with its framework. */
export interface Example {
  /** Shown when it runs. */
  readonly login: string;
  /** Writes `public.json`, the keys that Postern trusts. Default: for a new `key.json`. */
  writeKeys?(folder: string): Promise<void>;
  start(place: Place): Promise<Running>;
}

export type ExampleSite = Awaited<ReturnType<typeof startExample>>;

const SETTINGS = {
  mounts: [{ public: '/download/', internal: '/protected/' }],
  // `client` is the API key that may revoke the tokens which the application signs.
  issuers: [
    {
      id: 'shop',
      issuer: 'https://shop.example',
      audience: 'urn:postern:download',
      trusted_for: 'downloads',
      paths: ['/download/'],
      client: 'web',
    },
  ],
  jwt_leeway: 0,
  cookie_secure: false,
};

/** nginx and Postern before the application. The files are in `files/` of the folder. */
export async function startExample(example: Example) {
  const folder = await temporaryFolder();
  const stops: Array<() => unknown> = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    await mkdir(join(folder, 'files'));
    const { service, api, key } = await startPostern(folder, example.writeKeys);
    stops.push(service.stop);
    const [port = 0] = await freePorts(1);
    const env = { POSTERN_API: api, POSTERN_API_KEY: key };
    const application = await example.start({ port, folder, env });
    stops.push(application.stop);
    const answers = () => fetch(`http://127.0.0.1:${port}/`).then(() => true);
    const what = 'the application to answer';
    await application.ready(() => answers().catch(() => false), { what });
    const nginx = await startNginx({
      config: (at) => config(at.port, service.gatePort, port, folder),
    });
    stops.push(nginx.stop);
    return { origin: nginx.url(''), api, key, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Postern for an application with an API key, and with its own signing key in `key.json`. */
export async function startPostern(folder: string, write = writeKeys) {
  await write(folder);
  const key = randomBytes(24).toString('hex');
  const env = { POSTERN_CONFIG: await writeSettings(folder), POSTERN_API_KEYS: `web:${key}` };
  const service = await startService({ env });
  return { service, key, api: `http://127.0.0.1:${service.apiPort}` };
}

/** The private key for the application, and the public one for Postern. */
async function writeKeys(folder: string): Promise<void> {
  const file = join(folder, 'key.json');
  await generateKey({ alg: 'ES256', out: file });
  const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: Array<{ d?: string }> };
  const publicKeys = keys.map(({ d: _, ...key }) => key);
  await writeFile(join(folder, 'public.json'), JSON.stringify({ keys: publicKeys }));
}

/** The key of an application that signs, as a file of OpenSSL. */
export async function writePem(file: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'sec1', format: 'pem' });
  await writeFile(file, pem, { mode: 0o600 });
}

/** YAML is a superset of JSON. */
async function writeSettings(folder: string): Promise<string> {
  const file = join(folder, 'postern.yaml');
  const jwks = join(folder, 'public.json');
  const issuers = SETTINGS.issuers.map((issuer) => ({ ...issuer, jwks_file: jwks }));
  await writeFile(file, JSON.stringify({ ...SETTINGS, issuers }));
  return file;
}

const config = (port: number, gatePort: number, appPort: number, folder: string) => `
  include postern/http.conf;
  upstream postern { server 127.0.0.1:${gatePort} max_fails=3 fail_timeout=1s; keepalive 256; }
  server {
    listen 127.0.0.1:${port};
    server_name files.example;
    access_log postern.log postern;
    client_max_body_size 100m;
    include postern/auth-request.conf;

    location ^~ /download/ { include postern/protect.conf; }
    location ^~ /protected/ { include postern/internal.conf; alias ${folder}/files/; }
    location / {
      proxy_pass http://127.0.0.1:${appPort};
      proxy_set_header Host $http_host;
    }
  }`;
