import { expect, test } from 'vitest';
import { createMounts, mountId } from '../../service/domain/mount.ts';
import { mount } from '../support/postern.ts';

const mounts = createMounts([
  mount('/', '/all/'),
  mount('/download/', '/protected/'),
  mount('a.example:/download/', '/a/'),
  mount('/download/video/', '/videos/'),
  mount('b.example:/', '/b/'),
]);
const found = (site: string, path: string) => mounts.find(site, path)?.internal;

test('the longest public prefix wins', () => {
  expect(found('x', '/download/video/a')).toBe('/videos/');
  expect(found('x', '/download/a')).toBe('/protected/');
  expect(found('x', '/a')).toBe('/all/');
});

test("of the same prefix, a site's own comes first", () => {
  expect(found('a.example', '/download/a')).toBe('/a/');
  expect(found('b.example', '/a')).toBe('/b/');
});

test("length goes before the site's own", () => {
  expect(found('a.example', '/download/video/a')).toBe('/videos/');
  expect(found('b.example', '/download/a')).toBe('/protected/');
});

test('a prefix ends where a folder does', () => {
  expect(found('x', '/download')).toBe('/all/');
  expect(found('x', '/downloads/a')).toBe('/all/');
});

test('no site but its own sees a mount', () => {
  const own = createMounts([mount('a.example:/download/', '/a/')]);
  expect(own.find('b.example', '/download/a')).toBeUndefined();
  expect(own.find('', '/download/a')).toBeUndefined();
});

test('all that a path lies under, longest first, whatever the site', () => {
  expect(mounts.over('/download/video/a').map((over) => over.internal)).toEqual([
    '/videos/',
    '/a/',
    '/protected/',
    '/b/',
    '/all/',
  ]);
  expect(createMounts([mount('/download/', '/p/')]).over('/other')).toEqual([]);
});

test('the order in which they were configured decides nothing', () => {
  const turned = createMounts([...mounts.all].reverse());
  expect(turned.all.map(({ id }) => id)).toEqual(mounts.all.map(({ id }) => id));
});

test('an id is the site and the prefix', () => {
  expect(mountId('a.example', '/download/')).toBe('a.example/download/');
  expect(mountId(undefined, '/download/')).toBe('/download/');
});
