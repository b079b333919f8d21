import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startNginx } from '../../test/harness/nginx.ts';
import { onFreePorts } from '../../test/harness/ports.ts';
import { startService } from '../../test/harness/service.ts';
import { waitFor } from '../../test/harness/wait.ts';
import { type App, startApp } from './app.ts';
import { logFile } from './logs.ts';
import { makeSamples } from './samples.ts';

export type Site = Awaited<ReturnType<typeof startSite>>;

/** Settings that the user may choose. */
const OWN = ['POSTERN_STORE', 'POSTERN_STORE_PREFIX', 'POSTERN_STORE_TIMEOUT_MS'];

/** Downloads below /slow/ are cut into slices. */
const MOUNTS = `mounts:
  - { public: /download/, internal: /protected/ }
  - { public: /media/, internal: /media-files/ }
  - { public: /slow/, internal: /slow-files/, download_time: 86400 }
`;

/** nginx with Postern. Both modes serve the same folder. */
export function startSite(env: NodeJS.ProcessEnv) {
  return onFreePorts(2, ([gatePort = 0, appPort = 0]) => start(gatePort, appPort, env));
}

async function start(gatePort: number, appPort: number, env: NodeJS.ProcessEnv) {
  const nginx = await startNginx({
    config: ({ port, dir }) => config(port, gatePort, appPort, dir),
  });
  try {
    // In nginx's folder, which is removed when nginx ends.
    const folder = join(nginx.dir, 'files');
    const samples = await makeSamples(folder);
    const key = `demo-${randomBytes(12).toString('base64url')}`;
    const chosen = OWN.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
    const configFile = join(nginx.dir, 'postern.yaml');
    await writeFile(configFile, MOUNTS);
    const service = await startService({
      env: {
        POSTERN_LISTEN: `127.0.0.1:${gatePort}`,
        POSTERN_CONFIG: configFile,
        POSTERN_DELIVERY_LISTEN: `127.0.0.1:${gatePort}`,
        POSTERN_API_KEYS: `demo:${key}`,
        POSTERN_PUBLIC_URL: nginx.url(''),
        POSTERN_MAX_EXPIRES_IN: '86400',
        POSTERN_COOKIE_SECURE: 'false',
        // The page shows each decision.
        POSTERN_LOG_LEVEL: 'debug',
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
    const store = (env.POSTERN_STORE || 'memory:').replace(/\/\/.*@/, '//');
    // The first step would fail while Postern still connects to Redis.
    const what = `the store at ${store} to take a write`;
    const isReady = async () => (await fetch(`${api}/readyz`)).ok;
    await waitFor(isReady, { what, deadline: 5_000 }).catch(async (error) => {
      await service.stop();
      throw error;
    });
    return {
      /** Where nginx listens, without a slash at the end. */
      origin: nginx.url(''),
      gate: `http://127.0.0.1:${service.gatePort}`,
      api,
      key,
      /** The URL has no password. */
      store,
      folder,
      samples,
      /** Starts the application, which is at `/` of the site. */
      async startApp() {
        app = await startApp({ port: appPort, api, key, logs });
      },
      async stop() {
        await Promise.all([nginx.stop(), service.stop(), app?.stop()]);
      },
    };
  } catch (error) {
    await nginx.stop();
    throw error;
  }
}

function config(port: number, gatePort: number, appPort: number, dir: string): string {
  return `
    include postern/http.conf;
    access_log ${dir}/postern.log postern;
    access_log syslog:server=127.0.0.1:${gatePort},nohostname postern_delivery if=$postern_sent;
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

      # A revocation ends a running download.
      location ^~ /slow/ {
        include postern/slices.conf;
        limit_rate 4m;
        proxy_pass http://unix:${dir}/inner.sock;
      }

      location ^~ /media/ { include postern/x-accel.conf; }
      location ^~ /media-files/ {
        include postern/internal.conf;
        alias ${dir}/files/;
      }
    }

    server {
      listen unix:${dir}/inner.sock;
      server_name files.example;
      access_log syslog:server=127.0.0.1:${gatePort},nohostname postern_delivery if=$postern_sent;
      include postern/inner.conf;
      include postern/auth-request.conf;
      location ^~ /slow/ { include postern/protect.conf; }
      location ^~ /slow-files/ {
        include postern/internal.conf;
        include postern/inner.conf;
        alias ${dir}/files/;
      }
    }`;
}
