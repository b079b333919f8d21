import { expect, test } from 'vitest';
import { siteToAttack } from './site.ts';

// Proxies in front of a correct nginx, each with one mistake. broken-sites.ts has a cache, and one that hides the address.

const PASS = 'proxy_pass http://127.0.0.1:$port;';
const HEADERS =
  'proxy_set_header Host files.example; proxy_set_header X-Forwarded-For $remote_addr;';

test.each([
  ['drops ranges', `${HEADERS} proxy_set_header Range ""; location / { ${PASS} }`, ['ranges']],
  [
    'compresses',
    `${HEADERS} gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1; location / { ${PASS} }`,
    ['gzip'],
  ],
  [
    'redirects a folder to another port, with the token',
    `${HEADERS} rewrite ^(/download/[^.]*[^/.])$ http://files.example:8080$1/ permanent;
     location / { ${PASS} }`,
    ['folder-redirect'],
  ],
  [
    'passes on the address that a client claims',
    `proxy_set_header Host files.example; location / { ${PASS} }`,
    ['address', 'spoofed-address'],
  ],
])('doctor URL: finds that the proxy in front %s', async (_, front, failed) => {
  const server = 'set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;';
  const { verdicts, stdout } = await (await siteToAttack({ front, server })).examine();
  expect(Object.keys(verdicts).filter((id) => verdicts[id] === 'failed')).toEqual(failed);
  expect(stdout).not.toContain('ps_');
});
