import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_PATH_BYTES } from '../../service/site/path.ts';
import { tokenSegment } from '../../service/token/token.ts';
import { mount } from '../support/postern.ts';
import { legalPath } from './arbitrary.ts';
import { createDecider } from './decider.ts';

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
    { numRuns: 500 },
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
    { numRuns: 500 },
  );
});
