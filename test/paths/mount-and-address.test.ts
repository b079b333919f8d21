import { BlockList, isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { addressRangeError, isWithin, networkOf } from '../../service/address.ts';
import { createMounts, mountId } from '../../service/paths/mount.ts';
import { fieldsOf } from '../support/fixtures.ts';
import { mount } from '../support/postern.ts';
import { runs } from '../support/runs.ts';

const mounts = createMounts([
  mount('/', '/all/'),
  mount('/download/', '/protected/'),
  mount('a.example:/download/', '/a/'),
  mount('/download/video/', '/videos/'),
  mount('b.example:/', '/b/'),
]);

test.each([
  ['the longest public prefix', 'x', '/download/video/a', '/videos/'],
  ['the longest public prefix', 'x', '/download/a', '/protected/'],
  ['the longest public prefix', 'x', '/a', '/all/'],
  ['with the same prefix the mount of the site', 'a.example', '/download/a', '/a/'],
  ['with the same prefix the mount of the site', 'b.example', '/a', '/b/'],
  ['a longer prefix before the mount of the site', 'a.example', '/download/video/a', '/videos/'],
  ['a longer prefix before the mount of the site', 'b.example', '/download/a', '/protected/'],
  ['a prefix of whole folders', 'x', '/download', '/all/'],
  ['a prefix of whole folders', 'x', '/downloads/a', '/all/'],
])('mount: %s is used: %s%s', (_, site, path, internal) => {
  expect(mounts.find(site, path)?.internal).toBe(internal);
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

const octet = fc.integer({ min: 0, max: 255 });
const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
const v6 = fc.ipV6();
const round = fc.constantFrom('192.0.0.0', '128.0.0.0', '0.0.0.0', '2001:db8::', '8000::', '::');
const near = fc.oneof(round, fc.constantFrom('192.0.2.1', '2001:db8:0:1::1', '2001:DB8::', '::1'));

describe('ip: the network of a requester', () => {
  test.each(fieldsOf('networks.txt'))('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  test.each([
    ...['', 'unix:', '-', 'localhost', '192.0.2.1, 192.0.2.2', ' 192.0.2.1', '192.0.2.1:80'],
    ...['[::1]', 'fe80::1%eth0', '192.0.2.01', '192.0.2', '192.0.2.1.1', '256.0.0.1'],
    ...['1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', ':::', '1::2::3'],
    ...[':1:2:3:4:5:6:7', '12345::', 'g::', '1.2.3.4::', '::1.2.3.4:5', '::1.2.3'],
  ])('%j has no network', (address) => {
    const legal = isIPv4(address) || isIPv6(address);
    expect(networkOf(address)).toBeUndefined();
    expect(isWithin(address, ['0.0.0.0/0', '::/0'])).toBe(false);
    // Only for the zone, Postern is stricter.
    expect(legal).toBe(address.includes('%'));
  });

  test('every address that Node.js accepts has a network', () => {
    fc.assert(
      fc.property(fc.oneof(v4, v6, fc.string()), (text) => {
        fc.pre(!text.includes('%'));
        expect(networkOf(text) !== undefined).toBe(isIPv4(text) || isIPv6(text));
      }),
    );
  });
});

describe('ip: a list of addresses and ranges', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.2', '192.0.2.1', false],
    ['192.0.2.1', '::/0', false],
    ['2001:db8::1', '0.0.0.0/0', false],
    ['::ffff:192.0.2.7', '192.0.2.0/24', true],
    ['192.0.2.7', '::ffff:192.0.2.0/120', true],
    ['192.0.3.7', '::ffff:192.0.2.0/120', false],
  ])('%s in %s: %s', (address, range, within) => {
    expect(addressRangeError(range)).toBeUndefined();
    expect(isWithin(address, ['198.51.100.0/24', range])).toBe(within);
  });

  test('an address of IPv6 is read without an array or a call for each group', () => {
    const calls = [vi.spyOn(String.prototype, 'split'), vi.spyOn(Number, 'parseInt')];
    const error = addressRangeError('2001:db8:1000:a:b:c:d:0/112');
    const counts = calls.map((call) => call.mock.calls.length);
    for (const call of calls) call.mockRestore();
    expect([error, ...counts]).toEqual([undefined, 0, 0]);
  });

  test('matches the same addresses as BlockList of Node.js', () => {
    const length = fc.nat({ max: 128 });
    fc.assert(
      fc.property(fc.oneof(v4, v6, near), fc.oneof(round, v4, v6), length, (a, b, bits) => {
        const size = isIPv4(b) ? 32 : 128;
        const range = `${b}/${bits % (size + 1)}`;
        // For Node.js, ::/0 contains IPv4, too, because IPv4 addresses are mapped into it.
        fc.pre(isIPv4(a) === isIPv4(b) && addressRangeError(range) === undefined);
        const list = new BlockList();
        list.addSubnet(b, bits % (size + 1), isIPv4(b) ? 'ipv4' : 'ipv6');
        expect(isWithin(a, [range])).toBe(list.check(a, isIPv4(a) ? 'ipv4' : 'ipv6'));
      }),
      { numRuns: runs(2000) },
    );
  });
});
