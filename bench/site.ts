import { type Nginx, startNginx } from '../dev/nginx.ts';
import type { Site } from './backend.ts';

/** nginx in front, the same for all variants but for what each needs of it. */
export function startSite({ main = '', http = '', server, tool }: Site): Promise<Nginx> {
  return startNginx({
    ...(tool && { tool }),
    config: ({ port }) => `
      # Where the worker and the application move about, they may end up on one core, the other idle.
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
