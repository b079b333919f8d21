import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNginx } from '../harness/nginx.ts';
import { listening } from '../support/postern.ts';
import { requestBytes, sendRaw } from '../support/raw.ts';
import { gateSnippet, modes } from '../support/site.ts';

// Only the functions of http.conf are missing.
test.each(modes)('snippets: a site without http.conf works by %s', async (mode) => {
  const cookies: unknown[] = [];
  const gate: RequestListener = (request, response) => {
    cookies.push(request.headers['postern-cookie'], request.headers['postern-resume']);
    const target = '/protected/a.html';
    const headers = { 'Postern-Target': target, 'X-Accel-Redirect': target };
    response.writeHead(mode === 'auth_request' ? 204 : 200, headers).end();
  };
  const { port, stop } = await listening(gate);
  onTestFinished(stop);
  const nginx = await startNginx({
    config: (own) => `
      upstream postern { server 127.0.0.1:${port}; keepalive 256; }
      server {
        listen 127.0.0.1:${own.port};
        include postern/auth-request.conf;
        location ^~ /download/ { ${gateSnippet(mode)} }
        location ^~ /protected/ {
          include postern/internal.conf; alias ${own.dir}/;
        }
      }`,
  });
  onTestFinished(nginx.stop);
  await writeFile(join(nginx.dir, 'a.html'), 'file a');

  const headers = { Cookie: 'postern=a; postern=b; postern_resume=r; postern_resume=s' };
  const answer = await sendRaw(nginx.port, requestBytes('GET', '/download/a.html', headers));
  expect([answer.status, answer.text]).toEqual([200, 'file a']);
  expect(cookies).toEqual(['a', 'r']);
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
  expect(answer.header('Content-Security-Policy')).toBeUndefined();
  expect(await nginx.errorLog()).not.toMatch(/\[(warn|error|crit|alert|emerg)\]/);
});
