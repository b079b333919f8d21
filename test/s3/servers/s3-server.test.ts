import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSign, type StorageLocation, storageUrl } from '../../../service/s3/sign.ts';
import { type S3, S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';

const CREDENTIALS = { accessKeyId: S3_ACCESS_KEY, secretAccessKey: S3_SECRET_KEY };

// The other tests of this folder prove something only if this server refuses a wrong signature.
describe('the S3 server of the tests', () => {
  let s3: S3;
  let location: StorageLocation;
  beforeAll(async () => {
    s3 = await startS3({ media: { 'videos/a.txt': 'content a', 'videos/b.txt': 'content b' } });
    const { endpoint } = s3;
    location = { endpoint, region: S3_REGION, bucket: 'media', prefix: 'videos/', style: 'path' };
  }, 180_000);
  afterAll(() => s3.stop());

  /** Status and text for a signed name, after a change to the URL. */
  async function ask(
    change: (url: string) => string = (url) => url,
    { secret = S3_SECRET_KEY, ago = 0, init = {} as RequestInit } = {},
  ) {
    const credentials = { ...CREDENTIALS, secretAccessKey: secret };
    const sign = createSign(location, credentials, () => Date.now() - ago * 1000);
    const { object, args } = sign('a.txt');
    const response = await fetch(change(`${storageUrl(location)}${object}?${args}`), init);
    return [response.status, await response.text()];
  }

  test('accepts a valid signature', async () => {
    expect(await ask()).toEqual([200, 'content a']);
  });

  test.each([
    ['another path', (url: string) => url.replace('a.txt', 'b.txt')],
    [
      'another signature',
      (url: string) => url.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')),
    ],
    ['a longer validity', (url: string) => url.replace('Expires=60', 'Expires=600')],
    [
      'another date',
      (url: string) => url.replace(/Date=\d{8}T\d{5}/, (date) => date.replace(/.$/, 'x')),
    ],
    ['one more argument', (url: string) => `${url}&response-content-type=text/html`],
  ])('refuses %s', async (_, change) => {
    const [status, text] = await ask(change);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text).not.toMatch(/^content/);
  });

  test('refuses no signature, another secret, an expired signature and another method', async () => {
    const answers = [
      await ask((url) => url.replace(/\?.*/, '')),
      await ask(undefined, { secret: 'another' }),
      await ask(undefined, { ago: 62 }),
      await ask(undefined, { init: { method: 'DELETE' } }),
    ];
    expect(answers.map(([status]) => status)).toEqual([400, 403, 403, 403]);
    expect(answers[1]?.[1]).toContain('SignatureDoesNotMatch');
    expect(answers[2]?.[1]).toContain('AccessDenied');
  });

  test('accepts the signature until its end', async () => {
    expect(await ask(undefined, { ago: 50 })).toEqual([200, 'content a']);
  });
});
