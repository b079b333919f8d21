import { expect, test } from 'vitest';
import type { Client } from '../../service/domain/client.ts';
import { createMounts } from '../../service/domain/mount.ts';
import { targetFault } from '../../service/domain/target.ts';
import { mount } from '../support/postern.ts';
import { client } from './decider.ts';

const mounts = createMounts([
  mount('/download/', '/protected/'),
  mount('/video/', '/videos/'),
  mount('a.example:/own/', '/own-files/'),
]);
const limited: Client = { ...client, paths: [{ prefix: '/download/reports/' }] };
const fault = (target: string, of: Client, folder = false) =>
  targetFault(target, folder, of, mounts);

test('a client without limits may name what lies under any mount', () => {
  for (const target of ['/protected/a', '/videos/a/b', '/own-files/a']) {
    expect(fault(target, client)).toBeUndefined();
  }
});

test.each([
  ['under no mount', '/etc/passwd'],
  ['the public path', '/download/a'],
  ['a name that goes on', '/protected-not/a'],
  ['dots', '/protected/../etc/passwd'],
  ['an absolute URI', 'http://127.0.0.1/'],
  ['a named location', '@fallback'],
  ['a query', '/protected?a'],
  ['a folder for a file', '/protected/a/'],
  ['a space at its end', '/protected/a '],
  ['a line feed', '/protected/a\nb'],
  ['nothing', ''],
])('%s is malformed, whoever asks: %j', (_, target) => {
  expect(fault(target, client)).toMatchObject({ beyond: false });
  expect(fault(target, { ...client, targets: ['/'] })).toMatchObject({ beyond: false });
});

test('a folder needs a folder', () => {
  expect(fault('/protected/a/', client, true)).toBeUndefined();
  expect(fault('/protected/', client, true)).toBeUndefined();
  expect(fault('/protected/a', client, true)).toMatchObject({ beyond: false });
  expect(fault('/', client, true)).toMatchObject({ beyond: false });
});

test('a limited client may name what its paths lead to, and no more', () => {
  expect(fault('/protected/reports/a', limited)).toBeUndefined();
  expect(fault('/protected/reports/', limited, true)).toBeUndefined();
  for (const target of ['/protected/a', '/protected/reports', '/videos/reports/a']) {
    expect(fault(target, limited)).toMatchObject({ beyond: true });
  }
  expect(fault('/protected/', limited, true)).toMatchObject({ beyond: true });
});

test('or what lies under its targets', () => {
  const more = { ...limited, targets: ['/videos/trailers/'] };
  expect(fault('/videos/trailers/a', more)).toBeUndefined();
  expect(fault('/videos/trailers/', more, true)).toBeUndefined();
  expect(fault('/videos/full/a', more)).toMatchObject({ beyond: true });
  expect(fault('/videos/trailers-old/a', more)).toMatchObject({ beyond: true });
});

test('a target of its own lies under a mount as well', () => {
  expect(fault('/etc/a', { ...limited, targets: ['/etc/'] })).toMatchObject({ beyond: false });
});

test("a site's mount is for those who may issue for the site", () => {
  const of = (site: string) => ({ ...client, paths: [{ site, prefix: '/' }] });
  expect(fault('/own-files/a', of('a.example'))).toBeUndefined();
  expect(fault('/own-files/a', of('b.example'))).toMatchObject({ beyond: true });
  // Its own site alone: this mount serves every other too.
  expect(fault('/protected/a', of('a.example'))).toMatchObject({ beyond: true });
});

test('a nested mount that leads the path elsewhere gives no claim to the outer folder', () => {
  const nested = createMounts([
    mount('/download/', '/protected/'),
    mount('/download/vip/', '/vip-files/'),
  ]);
  const vip: Client = { ...client, paths: [{ prefix: '/download/vip/' }] };
  expect(targetFault('/protected/vip/a', false, vip, nested)).toMatchObject({ beyond: true });
  expect(targetFault('/vip-files/a', false, vip, nested)).toBeUndefined();
});
