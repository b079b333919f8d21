import { expect, test } from 'vitest';
import { diagnosed, FILE, get, testTraps, urlOf } from './trap.ts';

const SPOOFED = { 'X-Forwarded-For': '192.0.2.7' };

testTraps({
  'real_ip for everybody, so that a client chooses its address': {
    broken: { server: 'set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;' },
    fixed: { server: 'set_real_ip_from 127.0.0.2; real_ip_header X-Forwarded-For;' },
    found: ['real-ip: set_real_ip_from 0.0.0.0/0'],
    async ask(site) {
      const url = await urlOf(site, '/download/a.txt', { ip: ['192.0.2.7'] });
      return get(url, SPOOFED)(site);
    },
    sees: [FILE, 403],
  },
});

const site = (lines: string, inside = '') => `
${lines}
server {
  listen 127.0.0.1:8080;
  access_log off;
  location = /.postern/auth-request { internal; proxy_pass http://postern/auth-request; }
  location ^~ /download/ { ${inside} auth_request /.postern/auth-request; try_files "" @postern_deliver; }
}
server { listen 81; set_real_ip_from 0.0.0.0/0; location / { root /var/www; } }
`;

test.each([
  ['0.0.0.0/0', true],
  ['0.0.0.0/1', true],
  ['128.0.0.0/7', true],
  ['::/0', true],
  ['2000::/3', true],
  // Private networks, and a large network of a CDN.
  ['10.0.0.0/8', false],
  ['172.16.0.0/12', false],
  ['fc00::/7', false],
  ['fe80::/10', false],
  ['104.16.0.0/13', false],
  ['2a06:98c0::/29', false],
  ['192.0.2.1', false],
  ['front.example', false],
  ['unix:', false],
])('doctor --config, real-ip: of %s it reports %s', (range, is) => {
  const line = `set_real_ip_from ${range};`;
  for (const text of [site(line), site('', line)]) {
    const found = diagnosed(text).filter(({ rule }) => rule === 'real-ip');
    expect(found.map(({ seen }) => seen)).toEqual(
      is ? [`set_real_ip_from ${range} for protected files`] : [],
    );
  }
});
