import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMounts } from '../../service/paths/mount.ts';
import { MAX_PATH_BYTES, pathError } from '../../service/paths/path.ts';
import { coversPath } from '../../service/token/grant.ts';
import { tokenSegment } from '../../service/token/token.ts';
import { legalPath } from '../support/arbitrary-paths.ts';
import { createDecider } from '../support/decider.ts';
import { mount } from '../support/postern.ts';
import { runs } from '../support/runs.ts';

const mounts = [
  mount('/download/', '/protected/', { passArguments: ['start'] }),
  mount('/download/video/', '/videos/'),
  mount('/logs/', '/log-files/', { pathArgument: 'file' }),
];
const { issue, authorize } = createDecider({ mounts });
const tokens = await Promise.all(
  [
    { prefix: '/download/' },
    { prefix: '/download/a/' },
    { path: '/download/a/b' },
    { prefix: '/download/video/' },
    { prefix: '/download/a/', target: '/videos/of a/' },
    { path: '/download/a/b', target: '/videos/one' },
    { prefix: '/logs/' },
    { path: '/logs/a' },
  ].map(async (request) => (await issue(request)).token),
);

const starts = ['/download/', '/download/a/', '/download/video/', '/logs/', '/logs/?file='];
const token = fc.constantFrom(...tokens);
const piece = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'a', 'b', 'a/', 'b/', 'video/', '/', '.', '..') },
  fc.constantFrom('../', '/..', './', '//', '\\', '..\\', '%', '%2', '%25', '#', '?', '&', ' '),
  fc.constantFrom('%2e', '%2E%2e', '%2e%2e/', '%2f', '%2F', '%5c', '%252e', '%252f', '%20', '+'),
  fc.constantFrom('%00', '%0a', '%7f', '\0', '\t', '\x7f', '\x80'),
  fc.constantFrom('%c0%ae', '\xc0\xae', '%e0%80%af'),
  fc.constantFrom('%C3%A9', '\xc3\xa9', '%EF%BB%BF', '%ed%a0%80', '?file=', '&file=', '&start=1'),
  token.map((text) => `~${text}/`),
  token.map((text) => `?token=${text}`),
  token.map((text) => `&token=${text}`),
  fc.nat(255).map((byte) => String.fromCharCode(byte)),
  fc.nat(255).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
);
const request = fc.record({
  uri: fc
    .tuple(fc.constantFrom(...starts, ''), fc.array(piece, { maxLength: 6 }))
    .map(([start, pieces]) => start + pieces.join('')),
  cookie: token,
});

test('authorize: an allowed path is always below the internal prefix of the mount or the target', async () => {
  const all = createMounts(mounts);
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(request, async ({ uri, cookie }) => {
      const decision = await authorize(uri, { cookie });
      if (!decision.allow) return;
      opened += 1;
      const { grant, path, target, args } = decision;
      const own = all.all.find(({ id }) => id === grant.mount);
      expect(coversPath(grant.covers, path)).toBe(true);
      expect(pathError(path)).toBeUndefined();
      expect(pathError(target)).toBeUndefined();
      const below = grant.target ?? own?.internal ?? '';
      expect(target.startsWith(below)).toBe(true);
      expect(below.endsWith('/') || target === below).toBe(true);
      expect(args).toMatch(/^(start=[\w.!~*'()%-]*(&|$))*$/);
    }),
    { numRuns: runs(20_000) },
  );
  expect(opened).toBeGreaterThan(runs(100));
});

describe('issue', () => {
  const { issue, authorize } = createDecider({
    mounts: [
      mount('/download/', '/protected/'),
      mount('/ré sumé%/', '/internal é/'),
      mount('/logs/', '/log-files/', { pathArgument: 'file' }),
    ],
  });

  const places = [
    ['/download', '/protected'],
    ['/ré sumé%', '/internal é'],
    ['/logs', '/log-files'],
  ] as const;

  /** Any legal path below a mount, and where it leads. */
  const file = fc
    .tuple(fc.constantFrom(...places), legalPath)
    .map(([[prefix, internal], rest]) => ({ prefix, rest, path: prefix + rest, internal }))
    .filter(({ path }) => Buffer.byteLength(path) <= MAX_PATH_BYTES)
    .filter(({ path, prefix }) => tokenSegment(path, `${prefix}/`) === undefined);

  test('issue: the URL of any file opens the file', async () => {
    await fc.assert(
      fc.asyncProperty(file, async ({ path, internal, rest }) => {
        const { url } = await issue({ path });
        expect(await authorize(url)).toMatchObject({ path, target: internal + rest });
      }),
      { numRuns: runs(500) },
    );
  });

  test('issue: the URL of any folder opens each file below it', async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.nat(), async ({ path, prefix, internal, rest }, cut) => {
        const slashes = [...path.matchAll(/\//g)].map(({ index }) => index);
        const folders = slashes.filter((index) => index >= prefix.length);
        const folder = path.slice(0, (folders[cut % folders.length] ?? 0) + 1);
        const { url } = await issue({ prefix: folder });
        const name = path.slice(folder.length).split('/').map(encodeURIComponent).join('/');
        expect(await authorize(url + name)).toMatchObject({ path, target: internal + rest });
      }),
      { numRuns: runs(500) },
    );
  });
});
