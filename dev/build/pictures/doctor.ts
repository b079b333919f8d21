import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../test/harness/paths.ts';
import { terminal } from './terminal.ts';

/** A site with two mistakes that nginx -t does not report. */
const NGINX_CONF = `worker_rlimit_nofile 16384;
events { worker_connections 4096; }
http {
    include postern/http.conf;
    upstream postern { server 127.0.0.1:7300 max_fails=3 fail_timeout=1s; keepalive 256; }

    server {
        listen 443 ssl;
        server_name files.example;
        access_log /var/log/nginx/access.log combined;
        include postern/auth-request.conf;

        location /download/ {
            include postern/protect.conf;
        }
        location ^~ /protected/ {
            include postern/internal.conf;
            alias /srv/files/;
        }
    }
}
`;

/** What `postern doctor --config` says about it. */
export async function doctorPicture(): Promise<string> {
  const lines = (await examine(dump())).trimEnd().split('\n');
  return terminal('Findings of postern doctor --config', [
    { lines: ['$ nginx -T | postern doctor --config', '', ...lines] },
  ]);
}

/** The configuration as `nginx -T` prints it. */
function dump(): string {
  const snippets = join(projectRoot, 'nginx', 'snippets');
  const names = readdirSync(snippets).filter((name) => name.endsWith('.conf'));
  const files = new Map([['/etc/nginx/nginx.conf', NGINX_CONF]]);
  // A snippet can include another one. A map is iterated with what is added to it.
  for (const text of files.values()) {
    for (const name of names.filter((name) => text.includes(`include postern/${name};`))) {
      files.set(`/etc/nginx/postern/${name}`, readFileSync(join(snippets, name), 'utf8'));
    }
  }
  return [...files].map(([path, text]) => `# configuration file ${path}:\n${text}\n`).join('');
}

function examine(configuration: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const program = join(projectRoot, 'dist', 'cli', 'postern.js');
    const child = execFile(
      process.execPath,
      [program, 'doctor', '--config'],
      // Exit status 1: there are findings.
      (error, stdout, stderr) => (error?.code === 1 ? resolve(stdout) : reject(new Error(stderr))),
    );
    child.stdin?.end(configuration);
  });
}
