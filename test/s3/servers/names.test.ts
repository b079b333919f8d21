import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMES as LEGAL_NAMES } from '../../support/names.ts';
import { modes } from '../../support/site.ts';
import { encoded, START_MS, type StorageSite, startStorageSite } from './storage-site.ts';

const NAMES = [
  ...LEGAL_NAMES,
  'a b+c d.txt',
  '$uri$args$postern_object.txt',
  'folder/in folder?/#deep%+.txt',
  // Swift's limit of a key is 1024 bytes, as in S3. The prefix has 7 of them.
  `${'x'.repeat(996)}.txt`,
  '長'.repeat(333),
  `${'+'.repeat(996)}.txt`,
];

describe.each(modes)('object store: names of objects by %s', (mode) => {
  let site: StorageSite;
  beforeAll(async () => {
    // The content is the name, so that no other object can be taken for it.
    const objects = Object.fromEntries(NAMES.map((name) => [`videos/${name}`, `this is ${name}`]));
    const decoys = { 'videos/pA.txt': 'decoded twice', 'videos/a b.txt': 'a plus is a space' };
    site = await startStorageSite({ media: { ...objects, ...decoys } }, { mode });
  }, START_MS);
  afterAll(() => site.stop());

  test.each(NAMES.map((name) => [name.slice(0, 40), name]))('%j', async (_, name) => {
    const file = await site.issue({ path: `/media/${name}` });
    const folder = await site.issue({ prefix: '/media/' });
    const target = await site.issue({ path: '/media/other', target: `/s3-media/${name}` });
    for (const url of [file.url, folder.url + encoded(name), target.url]) {
      const answer = await site.ask('GET', url);
      expect([answer.status, answer.text]).toEqual([200, `this is ${name}`]);
    }
  });
});
