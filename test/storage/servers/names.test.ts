import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ways } from '../../support/site.ts';
import { encoded, START_MS, type StorageSite, startStorageSite } from './storage-site.ts';

const NAMES = [
  'plain.txt',
  'two words.txt',
  ' leading space.txt',
  'a+b.txt',
  'a b+c d.txt',
  '100%.txt',
  'p%41.txt',
  'p%2541.txt',
  '%2e%2e.txt',
  '%2f.txt',
  '#1.txt',
  'what?.txt',
  'a?b=c&token=x.txt',
  'a&b=c.txt',
  `it's "quoted".txt`,
  'a;b:c*d,e!f@g=h.txt',
  '$uri$args$postern_object.txt',
  '[x](y)<z>|^`{}.txt',
  '~tilde-._.txt',
  '...',
  'r\u00e9sum\u00e9.txt',
  're\u0301sume\u0301.txt',
  '日本語のファイル.txt',
  '🗂️ files 🎉.txt',
  '\u{feff}bom.txt',
  'folder/in folder?/#deep%+.txt',
  // Swift's limit of a key is 1024 bytes, as in S3. The prefix has 7 of them.
  `${'x'.repeat(996)}.txt`,
  '長'.repeat(333),
  `${'+'.repeat(996)}.txt`,
];

describe.each(ways)('object store: names of objects by %s', (way) => {
  let site: StorageSite;
  beforeAll(async () => {
    // The content is the name, so that no other object can be taken for it.
    const objects = Object.fromEntries(NAMES.map((name) => [`videos/${name}`, `this is ${name}`]));
    const decoys = { 'videos/pA.txt': 'decoded twice', 'videos/a b.txt': 'a plus is a space' };
    site = await startStorageSite({ media: { ...objects, ...decoys } }, { way });
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
