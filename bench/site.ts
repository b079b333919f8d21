import { type Nginx, startNginx } from '../dev/nginx.ts';
import type { Site } from './backend.ts';

/** Starts nginx. All variants have the same configuration, apart from their own parts. */
export function startSite({ main = '', http = '', server, tool }: Site): Promise<Nginx> {
  return startNginx({
    ...(tool && { tool }),
    config: ({ port }) => `
      # Otherwise the worker and the application can share one core while the other one is idle.
      worker_cpu_affinity auto;
      ${main}
      events { worker_connections 4096; }
      http {
        sendfile on;
        keepalive_requests 1000000000;
        ${http}
        server {
          listen 127.0.0.1:${port};
          server_name files.example;
          access_log off;
          ${server}
        }
      }`,
  });
}
