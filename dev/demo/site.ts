import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startNginx } from '../../test/harness/nginx.ts';
import { onFreePorts } from '../../test/harness/ports.ts';
import { startService } from '../../test/harness/service.ts';
import { waitFor } from '../../test/harness/wait.ts';
import { type App, startApp } from './app.ts';
import { logFile } from './logs.ts';
import { makeSamples, type Samples } from './samples.ts';

export interface Site {
  /** Where nginx listens, without a slash at the end. */
  readonly origin: string;
  readonly gate: string;
  readonly api: string;
  readonly key: string;
  /** The URL has no password. */
  readonly store: string;
  readonly folder: string;
  readonly samples: Samples;
  /** Starts the application, which is at `/` of the site. */
  startApp(): Promise<void>;
  stop(): Promise<void>;
}

/** Settings that the user may choose. */
const OWN = ['POSTERN_STORE', 'POSTERN_STORE_PREFIX', 'POSTERN_STORE_TIMEOUT_MS'];

/** nginx with Postern. Both modes serve the same folder. */
export function startSite(env: NodeJS.ProcessEnv): Promise<Site> {
  return onFreePorts(2, ([gatePort = 0, appPort = 0]) => start(gatePort, appPort, env));
}

async function start(gatePort: number, appPort: number, env: NodeJS.ProcessEnv): Promise<Site> {
  const nginx = await startNginx({
    config: ({ port, dir }) => config({ port, dir, gatePort, appPort }),
  });
  try {
    // In nginx's folder, which is removed when nginx ends.
    const folder = join(nginx.dir, 'files');
    const samples = await makeSamples(folder);
    const key = `demo-${randomBytes(12).toString('base64url')}`;
    const chosen = OWN.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
    const service = await startService({
      env: {
        POSTERN_LISTEN: `127.0.0.1:${gatePort}`,
        POSTERN_MOUNTS: '/download/=/protected/,/media/=/media-files/',
        POSTERN_API_KEYS: `demo:${key}`,
        POSTERN_PUBLIC_URL: nginx.url(''),
        POSTERN_MAX_EXPIRES_IN: '86400',
        POSTERN_COOKIE_SECURE: 'false',
        POSTERN_LOG_LEVEL: 'info',
        POSTERN_STORE_PREFIX: 'postern-demo:',
        ...Object.fromEntries(chosen),
      },
    });
    const api = `http://127.0.0.1:${service.apiPort}`;
    const logs = {
      nginx: logFile(join(nginx.dir, 'postern.log')),
      postern: async (from: number) => service.stdout().slice(from),
    };
    let app: App | undefined;
    const site = {
      origin: nginx.url(''),
      gate: `http://127.0.0.1:${service.gatePort}`,
      api,
      key,
      store: (env.POSTERN_STORE || 'memory:').replace(/\/\/.*@/, '//'),
      folder,
      samples,
      async startApp() {
        app = await startApp({ port: appPort, api, key, logs });
      },
      async stop() {
        await Promise.all([nginx.stop(), service.stop(), app?.stop()]);
      },
    };
    await waitForStore(site).catch(async (error) => {
      await service.stop();
      throw error;
    });
    return site;
  } catch (error) {
    await nginx.stop();
    throw error;
  }
}

/** The first step would fail while Postern still connects to Redis. */
function waitForStore({ api, store }: Site): Promise<unknown> {
  const what = `the store at ${store} to take a write`;
  return waitFor(async () => (await fetch(`${api}/readyz`)).ok, { what, deadline: 5_000 });
}

interface Ports {
  readonly port: number;
  readonly gatePort: number;
  readonly appPort: number;
  readonly dir: string;
}

function config({ port, gatePort, appPort, dir }: Ports): string {
  return `
    include postern/http.conf;
    access_log ${dir}/postern.log postern;
    sendfile on;
    upstream postern { server 127.0.0.1:${gatePort}; keepalive 256; }

    server {
      listen 127.0.0.1:${port};
      server_name files.example;
      include postern/auth-request.conf;

      location / {
        access_log off;
        proxy_pass http://127.0.0.1:${appPort};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        # The page shows each event as it comes.
        proxy_buffering off;
      }

      location ^~ /download/ { include postern/protect.conf; }
      location ^~ /protected/ {
        include postern/internal.conf;
        include postern/listing.conf;
        alias ${dir}/files/;
      }

      location ^~ /media/ { include postern/x-accel.conf; }
      location ^~ /media-files/ {
        include postern/internal.conf;
        alias ${dir}/files/;
      }
    }`;
}
