import { AwsV4Signer } from 'aws4fetch';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Credentials,
  createSign,
  MAX_SIGNATURE_REUSE,
  type StorageLocation,
  storageUrl,
} from '../../service/s3/sign.ts';
import { runs } from '../support/runs.ts';

const LOCATION: StorageLocation = {
  endpoint: 'https://s3.eu-central-1.amazonaws.com',
  region: 'eu-central-1',
  bucket: 'my-media',
  prefix: 'videos/',
  style: 'path',
};
const CREDENTIALS: Credentials = { accessKeyId: 'AKIA+/=', secretAccessKey: 'secret/+=' };
const NOW = Date.UTC(2026, 10, 26, 23, 59, 59, 500);

/** The query that a library signs for the same URL. */
async function byLibrary(url: string, credentials: Credentials): Promise<string> {
  const signer = new AwsV4Signer({
    ...credentials,
    url: `${url}?X-Amz-Expires=60`,
    method: 'GET',
    service: 's3',
    region: LOCATION.region,
    signQuery: true,
    datetime: '20261126T235959Z',
    cache: new Map(),
  });
  return (await signer.sign()).url.search;
}

const sorted = (query: string) =>
  [...new URLSearchParams(query)].sort(([a], [b]) => (a < b ? -1 : 1));

test.each([
  ['path', LOCATION, CREDENTIALS],
  ['virtual-host', { ...LOCATION, style: 'virtual-host' } as const, CREDENTIALS],
  ['a port', { ...LOCATION, endpoint: 'http://127.0.0.1:9000' }, CREDENTIALS],
  ['a session token', LOCATION, { ...CREDENTIALS, sessionToken: 'FwoG/+==' }],
  ['no prefix', { ...LOCATION, prefix: '' }, CREDENTIALS],
  ['a prefix with a space and a plus', { ...LOCATION, prefix: 'a b/+/' }, CREDENTIALS],
])('sign: the same signature as of aws4fetch, with %s', async (_, location, credentials) => {
  const sign = createSign(location, credentials, () => NOW);
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(name, async (text) => {
      // The domain rejects these names; a URL would lose them.
      fc.pre(text.isWellFormed() && !/^\.{0,2}$|\p{Cc}/u.test(text.replaceAll('/', '')));
      const object = text.replaceAll('/', '');
      const signed = sign(object);
      const url = `${storageUrl(location)}${signed.object}`;
      expect(sorted(signed.args)).toEqual(sorted(await byLibrary(url, credentials)));
    }),
    { numRuns: runs(100) },
  );
});

test('sign: every byte except unreserved ones is percent-encoded once', () => {
  const sign = createSign(LOCATION, CREDENTIALS, () => NOW);
  expect(sign('a/b +%2F#?&=;:@!$\'()*,"<ü🎉-._~').object).toBe(
    'a/b%20%2B%252F%23%3F%26%3D%3B%3A%40%21%24%27%28%29%2A%2C%22%3C%C3%BC%F0%9F%8E%89-._~',
  );
});

test('sign: the date and its key follow the clock, over midnight and back', () => {
  let now = NOW;
  const sign = createSign(LOCATION, CREDENTIALS, () => now);
  const dateOf = () => {
    const query = new URLSearchParams(sign('a').args);
    return [query.get('X-Amz-Date'), query.get('X-Amz-Credential'), query.get('X-Amz-Signature')];
  };
  const before = dateOf();
  expect(before[0]).toBe('20261126T235959Z');
  now += 500;
  const [date, credential, signature] = dateOf();
  expect([date, credential]).toEqual([
    '20261127T000000Z',
    'AKIA+/=/20261127/eu-central-1/s3/aws4_request',
  ]);
  const fresh = createSign(LOCATION, CREDENTIALS, () => now)('a').args;
  expect(fresh).toContain(signature);
  now -= 500;
  expect(dateOf()).toEqual(before);
});

test('sign: the same second gives the same signature for a name, and another one for another name', () => {
  let now = NOW - 500;
  const sign = createSign(LOCATION, CREDENTIALS, () => now);
  const a = sign('a').args;
  expect(sign('b').args).not.toBe(a);
  now += 400;
  expect(sign('a').args).toBe(a);
  now += 1000;
  expect(sign('a').args).not.toBe(a);
});

test('sign: a signature is valid for 60 seconds, and reused for at most half of that', () => {
  const { args } = createSign(LOCATION, CREDENTIALS, () => NOW)('a');
  expect(new URLSearchParams(args).get('X-Amz-Expires')).toBe('60');
  expect(MAX_SIGNATURE_REUSE).toBeLessThanOrEqual(30);
});

test('storageUrl: the bucket is in the path or in the host', () => {
  expect(storageUrl(LOCATION).href).toBe('https://s3.eu-central-1.amazonaws.com/my-media/videos/');
  const host = storageUrl({
    ...LOCATION,
    style: 'virtual-host',
    endpoint: 'https://s3.example:9443',
  });
  expect(host.href).toBe('https://my-media.s3.example:9443/videos/');
});
