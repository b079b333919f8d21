import { expect, test } from 'vitest';
import { createMounts, mountId } from '../../service/site/mount.ts';
import { mount } from '../support/postern.ts';

const mounts = createMounts([
  mount('/', '/all/'),
  mount('/download/', '/protected/'),
  mount('a.example:/download/', '/a/'),
  mount('/download/video/', '/videos/'),
  mount('b.example:/', '/b/'),
]);
const found = (site: string, path: string) => mounts.find(site, path)?.internal;

test('mount: the longest public prefix is used', () => {
  expect(found('x', '/download/video/a')).toBe('/videos/');
  expect(found('x', '/download/a')).toBe('/protected/');
  expect(found('x', '/a')).toBe('/all/');
});

test('mount: with the same prefix the mount of the site is used', () => {
  expect(found('a.example', '/download/a')).toBe('/a/');
  expect(found('b.example', '/a')).toBe('/b/');
});

test('mount: a longer prefix has priority over the mount of the site', () => {
  expect(found('a.example', '/download/video/a')).toBe('/videos/');
  expect(found('b.example', '/download/a')).toBe('/protected/');
});

test('mount: a prefix matches whole folders only', () => {
  expect(found('x', '/download')).toBe('/all/');
  expect(found('x', '/downloads/a')).toBe('/all/');
});

test('mount: the mount of a site is not visible on other sites', () => {
  const own = createMounts([mount('a.example:/download/', '/a/')]);
  expect(own.find('b.example', '/download/a')).toBeUndefined();
  expect(own.find('', '/download/a')).toBeUndefined();
});

test('mount: all mounts above a path, longest first, on any site', () => {
  expect(mounts.over('/download/video/a').map((over) => over.internal)).toEqual([
    ...['/videos/', '/a/', '/protected/', '/b/', '/all/'],
  ]);
  expect(createMounts([mount('/download/', '/p/')]).over('/other')).toEqual([]);
});

test('mount: the order of the configuration has no effect', () => {
  const turned = createMounts([...mounts.all].reverse());
  expect(turned.all.map(({ id }) => id)).toEqual(mounts.all.map(({ id }) => id));
});

test('mount: the ID is the site and the prefix', () => {
  expect(mountId('a.example', '/download/')).toBe('a.example/download/');
  expect(mountId(undefined, '/download/')).toBe('/download/');
});
