import { KEEPALIVE, type Variant } from '../../backend.ts';
import { startProgram } from '../program.ts';
import { redisWithToken } from '../token.ts';

/** The lines of nginx's documentation for a request to an application. */
const PASS = `
  proxy_pass http://own;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header X-Original-URI $request_uri;
  proxy_set_header Content-Length "";
  proxy_pass_request_body off;`;

const AUTH_REQUEST = `
  location /download/ {
    auth_request /auth;
    auth_request_set $file $upstream_http_file;
    try_files "" @file;
  }
  location @file { rewrite ^ $file? last; }
  location = /auth { internal; ${PASS} }`;

const X_ACCEL = `location /download/ { ${PASS} }`;

/** A gate of 20 lines. `header` names the file in its response. */
function own(id: string, title: string, header: string, server: string): Variant {
  return {
    id,
    title,
    start: async ({ files }) => {
      const { redis, ...paths } = await redisWithToken();
      const program = await startProgram('own/server', redis.url, header);
      return {
        site: {
          http: `upstream own { server ${program.address}; keepalive ${KEEPALIVE}; }`,
          server: `${server} location /protected/ { internal; alias ${files}/; }`,
        },
        ...paths,
        processes: { service: program.pid, redis: redis.pid },
        stop: () => Promise.all([program.stop(), redis.stop()]),
      };
    },
  };
}

export const OWN: readonly Variant[] = [
  own('own', '20 lines of Node.js, auth_request', 'File', AUTH_REQUEST),
  own('own-x-accel', '20 lines of Node.js, X-Accel', 'X-Accel-Redirect', X_ACCEL),
];
