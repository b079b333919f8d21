import { createHash } from 'node:crypto';
import { startNginx } from '../../test/harness/nginx.ts';
import { type Backend, EXPIRES_IN, NAME, type Variant } from '../backend.ts';
import { onGate, PROTECTED } from './postern/site.ts';
import { startProgram } from './program.ts';

/** As long as a real token, so that nginx handles the same number of bytes in each variant. */
const SHAM_TOKEN = `ps_${'x'.repeat(32)}`;

function alone(server: string, path: string, refused?: string): Backend {
  return { site: { server }, path, refused, processes: {}, stop: async () => {} };
}

const staticFile: Variant = {
  id: 'static',
  title: 'nginx, static file',
  start: async ({ files }) =>
    alone(`location ^~ /static/ { alias ${files}/; }`, `/static/${NAME}?token=${SHAM_TOKEN}`),
};

const SECRET = 'a-secret-for-the-bench-only';

/** ngx_http_secure_link_module as its documentation shows it, without revocation. */
const secureLink: Variant = {
  id: 'secure-link',
  title: 'nginx, secure_link',
  start: async ({ files }) => {
    const ends = Math.floor(Date.now() / 1000) + EXPIRES_IN;
    const signed = `${ends}/s/${NAME} ${SECRET}`;
    const md5 = createHash('md5').update(signed).digest('base64url');
    const server = `
      location /s/ {
        secure_link $arg_md5,$arg_expires;
        secure_link_md5 "$secure_link_expires$uri ${SECRET}";
        if ($secure_link = "") { return 403; }
        if ($secure_link = "0") { return 410; }
        alias ${files}/;
      }`;
    return alone(server, `/s/${NAME}?md5=${md5}&expires=${ends}`, `/s/${NAME}`);
  },
};

interface Gate {
  readonly address: string;
  readonly pid: number;
  stop(): Promise<unknown>;
}

/** A gate that has one fixed response. The difference to Postern is Postern's own cost. */
const onFixedGate = (files: string, { address, pid, stop }: Gate): Backend => ({
  site: onGate(files, [address]),
  path: `/download/${NAME}?token=${SHAM_TOKEN}`,
  processes: { service: pid },
  stop,
});

async function secondNginx(): Promise<Gate> {
  const nginx = await startNginx({
    config: ({ dir }) => `
      server {
        listen unix:${dir}/gate.sock;
        access_log off;
        keepalive_requests 1000000000;
        location / {
          add_header Postern-Target ${PROTECTED}${NAME};
          return 204;
        }
      }`,
  });
  return { ...nginx, address: `unix:${nginx.dir}/gate.sock` };
}

export const NGINX: readonly Variant[] = [
  staticFile,
  secureLink,
  {
    id: 'ceiling',
    title: 'auth_request, second nginx',
    start: async ({ files }) => onFixedGate(files, await secondNginx()),
  },
  {
    id: 'bare',
    title: 'auth_request, bare Node server',
    start: async ({ files }) =>
      onFixedGate(files, await startProgram('bare-server', `${PROTECTED}${NAME}`)),
  },
];
