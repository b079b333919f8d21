import { type Nginx, startNginx } from '../dev/nginx.ts';

export const NAME = 'file.bin';
export const TARGET = `/protected/${NAME}`;

/** As long as a real one: nginx reads and passes on as many bytes in every variant. */
export const SHAM_TOKEN = `ps_${'x'.repeat(32)}`;

/**
 * One server for all variants. They differ in the location that is asked for, and in who listens on
 * the gate's port.
 */
export function startSite(files: string, gatePort: number): Promise<Nginx> {
  return startNginx({
    config: ({ port }) => `
      sendfile on;
      keepalive_requests 1000000000;
      upstream postern {
        server 127.0.0.1:${gatePort};
        keepalive 32;
      }
      server {
        listen 127.0.0.1:${port};
        server_name files.example;
        access_log off;
        include postern/auth-request.conf;

        location ^~ /static/ { alias ${files}/; }

        location ^~ /download/ { include postern/protect.conf; }

        location ^~ /protected/ {
          include postern/internal.conf;
          include postern/headers.conf;
          alias ${files}/;
        }

        # protect.conf with a subrequest that never leaves nginx. Nothing fills the variables, so
        # the target is told here, and delivery has no decision to check.
        location = /.bench/return-204 { internal; return 204; }
        location @bench_deliver {
          auth_request off;
          set $postern_target ${TARGET};
          set $postern_limit_rate 0;
          rewrite ^ ${TARGET}? last;
        }
        location ^~ /return-204/ {
          auth_request /.bench/return-204;
          satisfy all;
          auth_basic off;
          auth_request_set $postern_cache_control "private, no-store";
          error_page 401 @postern_401;
          error_page 403 @postern_403;
          error_page 500 502 503 504 =503 @postern_503;
          try_files "" @bench_deliver;
        }
      }`,
  });
}
