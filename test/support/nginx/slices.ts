import { mount } from '../postern.ts';
import type { SiteOptions } from '../site.ts';

export const SLICE = 2_097_152;
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
}

/** A site that cuts downloads into slices, as in nginx/examples/slices.conf. */
export function sliced({
  outer = '',
  server = '',
  inner = INNER,
  log = 'access_log off;',
}: Sliced = {}) {
  return {
    mode: 'auth_request',
    mounts: [{ ...mount('/download/', '/protected/'), downloadTime: DAY }],
    only: `
      location ^~ /download/ {
        include postern/slices.conf; ${outer}
        proxy_pass http://unix:$dir/inner.sock;
      }`,
    http: `
      server {
        listen unix:$dir/inner.sock;
        server_name files.example;
        ${log} ${server}
        include postern/inner.conf;
        include postern/auth-request.conf;
        ${inner}
      }`,
  } satisfies SiteOptions;
}
