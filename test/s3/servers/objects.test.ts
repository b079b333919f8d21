import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { NAMES as LEGAL_NAMES } from '../../support/fixtures.ts';
import { forTest } from '../../support/for-test.ts';
import { modes } from '../../support/site.ts';
import {
  START_MS,
  type StorageSite,
  signFor,
  startStorageSite,
} from '../../support/storage-sites.ts';

const TEXT = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join('');

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

/** A URL's path, each byte but unreserved ones encoded. */
const encoded = (name: string) => name.split('/').map(encodeURIComponent).join('/');

describe.each(modes)('object store: objects by %s', (mode) => {
  let site: StorageSite;
  beforeAll(async () => {
    // The content of the others is their name, so that no other object can be taken for it.
    const named = Object.fromEntries(NAMES.map((name) => [`videos/${name}`, `this is ${name}`]));
    const decoys = { 'videos/pA.txt': 'decoded twice', 'videos/a b.txt': 'a plus is a space' };
    const objects = { 'videos/a.txt': TEXT, 'other/b.txt': 'other', ...named, ...decoys };
    site = await startStorageSite({ media: objects }, { mode });
  }, START_MS);
  afterAll(() => site.stop());

  test('the headers of the object are kept, and none names the account or the bucket', async () => {
    const answer = await site.ask('GET', (await site.issue({ path: '/media/a.txt' })).url);
    expect([answer.status, answer.text]).toEqual([200, TEXT]);
    expect(answer.header('content-type')).toMatch(/^text\/plain/);
    expect(answer.header('accept-ranges')).toBe('bytes');
    expect(answer.header('last-modified')).toMatch(/GMT$/);
    expect(answer.header('etag')).toMatch(/^"[0-9a-f]{32}"$/);
    expect(answer.header('cache-control')).toBe('private, no-store');
    const names = answer.headers.map(([name]) => name.toLowerCase());
    expect(names.filter((name) => /^postern|^x-.*(?:meta|key|manifest)/.test(name))).toEqual([]);
    const values = answer.headers.map(([, value]) => value);
    expect(values.join()).not.toMatch(/amz|swift|media|videos|openstack/i);
  });

  test('a missing object is a 404 that shows nothing of the storage', async () => {
    for (const path of ['/media/no.txt', '/media/other/b.txt']) {
      const answer = await site.ask('GET', (await site.issue({ path })).url);
      expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'not_found']);
      expect(JSON.stringify(answer.headers)).not.toMatch(/amz|xml|swift|trans/i);
    }
  });

  // test/nginx/internal-proxy.test.ts has the other conditions.
  test('ranges and conditions are answered by the storage', async () => {
    const { url } = await site.issue({ path: '/media/a.txt' });
    const Range = 'bytes=5-9';
    const part = await site.ask('GET', url, { Range });
    expect([part.status, part.text]).toEqual([206, TEXT.slice(5, 10)]);
    const same = { 'If-None-Match': part.header('etag') ?? '' };
    expect((await site.ask('GET', url, same)).status).toBe(304);
  });

  test.each(NAMES.map((name) => [name.slice(0, 40), name]))(
    'the object %j is served by its name',
    async (_, name) => {
      const file = await site.issue({ path: `/media/${name}` });
      const folder = await site.issue({ prefix: '/media/' });
      const target = await site.issue({ path: '/media/other', target: `/s3-media/${name}` });
      for (const url of [file.url, folder.url + encoded(name), target.url]) {
        const answer = await site.ask('GET', url);
        expect([answer.status, answer.text]).toEqual([200, `this is ${name}`]);
      }
    },
  );
});

// The other tests prove something only if this server refuses a wrong signature.
test(
  'the S3 server of the tests accepts a valid signature until its end, and no other',
  async () => {
    const objects = { 'videos/a.txt': 'content a', 'videos/b.txt': 'content b' };
    const s3 = await forTest(startS3({ media: objects }));
    /** Status and text for a name that was signed so many seconds ago, after a change to the URL. */
    async function ask(ago: number, change = (url: string) => url, secret = S3_SECRET_KEY) {
      const { object, args } = signFor(s3, () => Date.now() - ago * 1000, secret)('a.txt');
      const response = await fetch(change(`${s3.endpoint}/media/videos/${object}?${args}`));
      return `${response.status} ${await response.text()}`;
    }
    for (const ago of [0, 50]) expect(await ask(ago)).toBe('200 content a');
    expect(await ask(62)).toMatch(/^403 .*AccessDenied/s);
    expect(await ask(0, undefined, 'another')).toMatch(/^403 .*SignatureDoesNotMatch/s);
    for (const change of [
      (url: string) => url.replace('a.txt', 'b.txt'),
      (url: string) => url.replace('Expires=60', 'Expires=600'),
      (url: string) => `${url}&response-content-type=text/html`,
      (url: string) => url.replace(/\?.*/, ''),
    ]) {
      expect(await ask(0, change)).toMatch(/^40[03] (?!content)/);
    }
  },
  START_MS,
);
