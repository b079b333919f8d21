import { KEEPALIVE, type Site } from '../../backend.ts';

export const PROTECTED = '/protected/';

/** The configuration in README.md, and further lines. */
export function onGate(files: string, gates: readonly string[], more = { http: '', server: '' }) {
  const servers = gates.map((gate) => `server ${gate};`);
  return {
    http: `
      include postern/http.conf;
      upstream postern { ${servers.join(' ')} keepalive ${KEEPALIVE}; }
      ${more.http}`,
    server: `
      include postern/auth-request.conf;
      location ^~ /download/ { include postern/protect.conf; }
      location ^~ ${PROTECTED} {
        include postern/internal.conf;
        alias ${files}/;
      }
      ${more.server}`,
  } satisfies Site;
}

/** Applications usually call the API directly. Here all systems are behind nginx. */
export const onApi = (port: number) => ({
  http: `upstream postern_api { server 127.0.0.1:${port}; keepalive ${KEEPALIVE}; }`,
  server: `
      location /tokens {
        client_max_body_size 1m;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass http://postern_api;
      }`,
});
