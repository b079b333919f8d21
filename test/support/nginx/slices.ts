import { spawn } from 'node:child_process';
import { get as getHttp } from 'node:http';
import { connect } from 'node:http2';
import { get as getHttps } from 'node:https';
import { tryRun } from '../../harness/run.ts';
import { findTool } from '../../harness/tools.ts';
import { mount } from '../postern.ts';
import type { SiteOptions } from '../site.ts';

export const SLICE = 65_536;
export const DAY = 86_400;

/** The two locations of the inner server block. */
export const INNER = `
  location ^~ /download/ { include postern/protect.conf; }
  location ^~ /protected/ {
    include postern/internal.conf; include postern/inner.conf; alias $files/;
  }`;

interface Sliced {
  /** Lines of the outer location. */
  readonly outer?: string;
  /** Lines of the inner server block. */
  readonly server?: string;
  readonly inner?: string;
  /** The line that reports what was sent. */
  readonly log?: string;
  /** Default: 64 KiB, so that small files have several slices. Undefined: as in the snippet. */
  readonly size?: string | undefined;
}

/** A site that cuts downloads into slices, as in nginx/examples/slices.conf. */
export function sliced(options: Sliced = {}) {
  const { outer = '', server = '', inner = INNER, log = 'access_log off;' } = options;
  const size = 'size' in options ? options.size : '64k';
  return {
    mode: 'auth_request',
    ...(size !== undefined && {
      edit: { slices: (text: string) => text.replace(/^slice \w+;/m, `slice ${size};`) },
    }),
    mounts: [{ ...mount('/download/', '/protected/'), downloadTime: DAY }],
    only: `
      location ^~ /download/ {
        include postern/slices.conf; ${outer}
        proxy_pass http://unix:$dir/inner.sock;
      }`,
    http: `
      server {
        listen unix:$dir/inner.sock backlog=4096;
        server_name files.example;
        ${log} ${server}
        include postern/inner.conf;
        include postern/auth-request.conf;
        ${inner}
      }`,
  } satisfies SiteOptions;
}

export type Protocol = 'HTTP/1.1' | 'TLS' | 'HTTP/2' | 'HTTP/3';

/** Absent: the curl or the nginx of the tests has no HTTP/3. */
const http3 = await (async () => {
  const [curl, nginx] = [await findTool('curl'), await findTool('nginx')];
  const { output: features } = await tryRun(curl.path, ['-V'], curl.env);
  const { output: modules } = await tryRun(nginx.path, ['-V'], nginx.env);
  return features.includes('HTTP3') && modules.includes('http_v3_module') ? curl : undefined;
})();

export const hasHttp3 = http3 !== undefined;

export interface Download {
  /** Bytes of the body that have come. */
  received(): number;
  /** How the response ended. Rejects if it does not begin. */
  readonly end: Promise<'complete' | 'error'>;
}

/** Downloads a URL of this machine, whose certificate is not checked. */
export function download(protocol: Protocol, origin: string, url: string): Download {
  let received = 0;
  const count = (chunk: Buffer) => {
    received += chunk.length;
  };
  const end = new Promise<'complete' | 'error'>((resolve, reject) => {
    if (protocol === 'HTTP/3') {
      const { port } = new URL(origin);
      const to = ['--connect-to', `files.example:${port}:127.0.0.1:${port}`];
      const target = `https://files.example:${port}${url}`;
      const program = spawn(http3?.path ?? 'curl', ['-sk', '--http3-only', ...to, target], {
        env: { ...process.env, ...http3?.env },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      program.stdout.on('data', count);
      program.on('error', reject);
      program.on('close', (code) => resolve(code === 0 ? 'complete' : 'error'));
      return;
    }
    if (protocol === 'HTTP/2') {
      const session = connect(origin, { rejectUnauthorized: false });
      session.on('error', () => resolve('error'));
      const stream = session.request({ ':path': url, ':authority': 'files.example' });
      stream.on('data', count);
      stream.on('error', () => resolve('error'));
      stream.on('close', () => {
        session.close();
        resolve(stream.rstCode === 0 ? 'complete' : 'error');
      });
      return;
    }
    const get = protocol === 'TLS' ? getHttps : getHttp;
    const headers = { host: 'files.example' };
    get(new URL(origin + url), { headers, agent: false, rejectUnauthorized: false }, (response) => {
      response.on('data', count);
      response.on('error', () => resolve('error'));
      response.on('close', () => resolve(response.complete ? 'complete' : 'error'));
    }).on('error', reject);
  });
  return { received: () => received, end };
}
