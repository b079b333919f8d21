import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keepsConnections, versionIn } from '../../../doctor/config/version.ts';
import { mount } from '../../support/postern.ts';
import type { Site } from '../../support/site.ts';
import { answer, check, diagnosed, dumpOf, FILE, started } from './trap.ts';

const INTERNAL = 'include postern/internal.conf; alias $files/;';

async function connections(site: Site, requests: number): Promise<number> {
  let count = 0;
  const more = () => {
    count += 1;
  };
  site.gate.server.on('connection', more);
  for (let i = 0; i < requests; i += 1) await site.ask('GET', '/download/a.txt');
  site.gate.server.off('connection', more);
  return count;
}

test('doctor --config reports an upstream without keepalive', async () => {
  const site = await started({});
  expect(await connections(site, 5)).toBe(1);
  const text = await readFile(join(site.nginx.dir, 'nginx.conf'), 'utf8');
  await site.nginx.reload(() => text.replace(' keepalive 256;', ''));
  const dump = await dumpOf(site);
  const kept = keepsConnections(versionIn(dump));
  expect(await connections(site, 5)).toBe(kept ? 1 : 5);
  const line = dump
    .slice(dump.indexOf('nginx.conf:'))
    .split('\n')
    .findIndex((one) => one.includes('upstream postern'));
  // Without the version, the doctor assumes an old nginx.
  const finding = { rule: 'keepalive', line };
  expect(diagnosed(dump)).toMatchObject(kept ? [] : [finding]);
  expect(diagnosed(dump.replace(/^nginx version: .*$/m, ''))).toMatchObject([finding]);
});

test('doctor --config reports a mount without a public location', () =>
  check({
    mounts: [mount('/download/', '/protected/'), mount('/media/', '/protected/')],
    found: [['mounts', 'server {']],
    broken: { mounts: [mount('/download/', '/protected/'), mount('/media/', '/protected/')] },
    async proof(site) {
      const { url } = await site.issue({ path: '/media/a.txt' });
      expect((await answer(site, url))[0]).toBe(404);
    },
    fixed: {
      mounts: [mount('/download/', '/protected/'), mount('/media/', '/protected/')],
      locations: 'location ^~ /media/ { include postern/protect.conf; }',
    },
    async shut(site) {
      const { url } = await site.issue({ path: '/media/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  }));

test('doctor --config reports a mount whose public location does not ask the gate', () =>
  check({
    mounts: [mount('/download/', '/protected/'), mount('/media/', '/protected/')],
    found: [['mounts', 'location /media/ {']],
    broken: { locations: 'location /media/ { alias $files/../www/; }' },
    proof: async (site) => expect((await answer(site, '/media/index.html'))[0]).toBe(200),
    fixed: { locations: 'location ^~ /media/ { include postern/protect.conf; }' },
    shut: async (site) => expect((await answer(site, '/media/index.html'))[0]).toBe(401),
  }));

test('doctor --config reports a mount without an internal location, and the reverse', () =>
  check({
    mounts: [mount('/download/', '/private/')],
    found: [
      ['mounts', 'server {'],
      ['mounts', 'location ^~ /protected/ {'],
    ],
    broken: { mounts: [mount('/download/', '/private/')] },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect((await answer(site, url))[0]).toBe(404);
    },
    fixed: {
      mounts: [mount('/download/', '/private/')],
      only: `
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /private/ { ${INTERNAL} }`,
    },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/a.txt' });
      expect(await answer(site, url)).toEqual([200, FILE]);
    },
  }));

test('doctor --config reports a public location that has only a mount of another site', () =>
  check({
    mounts: [mount('media.example:/download/', '/protected/')],
    found: [
      ['mounts', 'http {'],
      ['mounts', 'location ^~ /download/ {'],
      ['mounts', 'location ^~ /protected/ {'],
    ],
    broken: {},
    proof: async () => {},
    fixed: { serverName: 'media.example files.example' },
    shut: async () => {},
  }));

test('doctor --config finds an internal location by its mount', () =>
  check({
    mounts: [mount('/download/', '/protected/')],
    found: [
      ['internal', 'location ^~ /protected/ {'],
      ['internal', 'location ^~ /protected/ {'],
      ['internal', 'location ^~ /protected/ {'],
      ['cache-control', 'location ^~ /protected/ {'],
    ],
    broken: {
      only: `
        location ^~ /download/ { include postern/protect.conf; }
        location ^~ /protected/ { alias $files/; }`,
    },
    proof: async (site) => expect(await answer(site, '/protected/a.txt')).toEqual([200, FILE]),
    fixed: {},
    shut: async (site) => expect((await answer(site, '/protected/a.txt'))[0]).toBe(404),
  }));

test('doctor --config reports a configuration that never asks the gate', () =>
  check({
    found: [['no-gate', 'http {']],
    broken: { only: 'location /download/ { alias $files/; }' },
    proof: async (site) => expect(await answer(site, '/download/a.txt')).toEqual([200, FILE]),
    fixed: {},
    shut: async (site) => expect((await answer(site, '/download/a.txt'))[0]).toBe(401),
  }));

test('doctor --config reports internal.conf without http.conf', () =>
  check({
    found: [['http-conf', 'add_header Content-Security-Policy']],
    broken: {
      files: { 'page.html': '<script></script>' },
      edits: [
        [
          'http',
          /map "\$status \$sent_http_content_type" \$postern_content_security_policy \{[^}]*\}/,
          '',
        ],
      ],
    },
    async proof(site) {
      const { url } = await site.issue({ path: '/download/page.html' });
      const { status, header } = await site.ask('GET', url);
      expect([status, header('content-security-policy')]).toEqual([200, undefined]);
    },
    fixed: { files: { 'page.html': '<script></script>' } },
    async shut(site) {
      const { url } = await site.issue({ path: '/download/page.html' });
      const { header } = await site.ask('GET', url);
      expect(header('content-security-policy')).toBe('sandbox');
    },
  }));
