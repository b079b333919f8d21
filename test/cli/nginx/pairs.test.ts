import { describe, expect, test } from 'vitest';
import type { NginxOptions } from '../../../cli/nginx/plan.ts';
import { testNginx } from '../../harness/nginx.ts';
import { mount } from '../../support/postern.ts';
import { printed } from './plan.ts';

const MOUNTS = [
  mount('/download/', '/protected/'),
  mount('/media/', '/store/'),
  mount('files.example:/own/', '/own-files/'),
];

const PLACES = ['/protected/=/srv/files', '/own-files/=/srv/own'];

const CHOICES: Readonly<Record<string, Partial<NginxOptions>>> = {
  'nothing more': {},
  '--cache': { cache: true },
  '--listing, --disable-symlinks': { listing: true, disableSymlinks: true },
  '--cors': { cors: ['https://app.example', 'http://localhost:3000'] },
  '--login': { login: '/login' },
  '--login elsewhere': { login: 'https://login.example/?next=' },
  '--limit-conn': { limitConn: '3' },
  '--upstream': { upstream: ['127.0.0.1:7300'] },
  'several --upstream': { upstream: ['[::1]:7300', 'unix:/run/postern/gate.sock'] },
  '--instances': { instances: '3' },
  '--log off': { log: 'off' },
  '--log': { log: '/dev/null' },
  '--proxy-target': { files: PLACES, proxyTarget: ['/store/=http://127.0.0.1:9000/bucket'] },
  '--listen': { listen: ['127.0.0.1:8080', 'unix:/tmp/site.sock'] },
  '--server-name': {
    serverName: ['*.files.example,www.example', `${'long.'.repeat(40)}example`],
  },
  '--x-accel': { xAccel: true },
};

const names = Object.keys(CHOICES);
const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b] as const));

/** With ports and paths that are free here. */
function here(text: string, { ports, dir }: { ports: number[]; dir: string }): string {
  return text
    .replaceAll('listen 80;', `listen 127.0.0.1:${ports[0]};`)
    .replaceAll('listen 127.0.0.1:8080;', `listen 127.0.0.1:${ports[0]};`)
    .replaceAll('/tmp/site.sock', `${dir}/site.sock`)
    .replaceAll('/var/log/nginx/', `${dir}/`)
    .replaceAll('proxy_cache_path /run/', `proxy_cache_path ${dir}/`);
}

async function passes(options: Partial<NginxOptions>): Promise<void> {
  const usual = { files: [...PLACES, '/store/=/srv/store'] };
  const text = printed({ ...usual, ...options }, MOUNTS);
  const { ok, output } = await testNginx((context) => here(text, context));
  expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
  expect(ok).toBe(true);
}

describe('nginx: nginx -t accepts the configuration with', () => {
  test.concurrent.each(pairs)('%s and %s', async (a, b) => {
    await passes({ ...CHOICES[a], ...CHOICES[b] });
  });

  test('all options', () => passes(Object.assign({}, ...Object.values(CHOICES))));
});
