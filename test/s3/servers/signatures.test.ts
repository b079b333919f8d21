import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSign, type StorageLocation, storageUrl } from '../../../service/s3/sign.ts';
import { tryRun } from '../../harness/run.ts';
import { type S3, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { findTool } from '../../harness/tools.ts';
import { folderForTest } from '../../support/for-test.ts';
import { CREDENTIALS, START_MS, timeOf } from './sites.ts';

// The other tests of this folder prove something only if this server refuses a wrong signature.
describe('the S3 server of the tests', () => {
  let s3: S3;
  let location: StorageLocation;
  beforeAll(async () => {
    s3 = await startS3({ media: { 'videos/a.txt': 'content a', 'videos/b.txt': 'content b' } });
    const { endpoint } = s3;
    location = { endpoint, region: S3_REGION, bucket: 'media', prefix: 'videos/', style: 'path' };
  }, START_MS);
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

  test.each<[string, (url: string) => string]>([
    ['another path', (url) => url.replace('a.txt', 'b.txt')],
    ['another signature', (url) => url.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
    ['a longer validity', (url) => url.replace('Expires=60', 'Expires=600')],
    ['another date', (url) => url.replace(/(Date=\d{8}T\d{4})\d/, '$1x')],
    ['one more argument', (url) => `${url}&response-content-type=text/html`],
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

const SCRIPT = `
import json, sys
import botocore.session
from botocore.config import Config
asked = json.load(open(sys.argv[1]))
client = botocore.session.get_session().create_client(
    "s3", region_name="eu-central-1", endpoint_url=asked["endpoint"], aws_access_key_id="AKIA",
    aws_secret_access_key=asked["secret"], aws_session_token=asked["token"],
    config=Config(signature_version="s3v4", s3={"addressing_style": asked["style"]}))
for key in asked["keys"]:
    params = {"Bucket": "my-media", "Key": key}
    print(client.generate_presigned_url("get_object", Params=params, ExpiresIn=60))
`;

const inOrder = (url: string) => {
  const [path, query] = url.split('?');
  return [path, ...(query ?? '').split('&').sort()];
};

test.each([
  ['path', 'http://127.0.0.1:9000', undefined],
  ['virtual-host', 'https://s3.eu-central-1.amazonaws.com', 'token/+='],
] as const)(
  'sign: the same URLs as of botocore for 1,000 names, %s style',
  async (style, endpoint, sessionToken) => {
    const python = await findTool('python3-swift');
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .map((text) => text.replaceAll('/', '+'))
      .filter((text) => text !== '.' && text !== '..');
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const names = fc.sample(path, { numRuns: 1000, seed: 16 });

    const folder = await folderForTest();
    const credentials = {
      accessKeyId: 'AKIA',
      secretAccessKey: 'Qz+secret/of=botocoreZq',
      ...(sessionToken !== undefined && { sessionToken }),
    };
    const [script, asked] = [join(folder, 'sign.py'), join(folder, 'asked.json')];
    await writeFile(script, SCRIPT);
    const request = {
      endpoint,
      style: style === 'path' ? style : 'virtual',
      secret: credentials.secretAccessKey,
      token: sessionToken ?? null,
      keys: names.map((name) => `videos/${name}`),
    };
    await writeFile(asked, JSON.stringify(request));
    const ran = await tryRun(python.path, [script, asked], python.env);
    const theirs = ran.output.trim().split('\n');
    expect([ran.ok, theirs.length]).toEqual([true, 1000]);

    const bucket = { region: 'eu-central-1', bucket: 'my-media', prefix: 'videos/' };
    const location = { ...bucket, endpoint, style };
    for (const [i, name] of names.entries()) {
      const url = theirs[i] ?? '';
      const now = timeOf(new URL(url).search);
      const { object, args } = createSign(location, credentials, () => now)(name);
      expect(inOrder(`${storageUrl(location)}${object}?${args}`)).toEqual(inOrder(url));
    }
  },
  START_MS,
);
