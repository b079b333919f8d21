import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { postern } from '../../cli/postern.ts';
import { type S3, S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { folderForTest } from '../../support/for-test.ts';
import { START_MS } from './sites.ts';

async function ran(
  storage: Record<string, string>,
  words: readonly string[] = [],
  secret = S3_SECRET_KEY,
) {
  const folder = await folderForTest();
  const fields = { type: 's3', region: S3_REGION, bucket: 'media', credentials: 'environment' };
  const mounts = [{ public: '/media/', internal: '/s3/', storage: { ...fields, ...storage } }];
  const file = join(folder, 'postern.yaml');
  await writeFile(file, JSON.stringify({ mounts }));
  const env = {
    POSTERN_CONFIG: file,
    AWS_ACCESS_KEY_ID: S3_ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: secret,
  };
  const ended = await postern(['doctor', '--storage', ...words], folder, { env });
  expect(ended.stdout + ended.stderr).not.toContain(secret);
  expect(ended.stdout + ended.stderr).not.toMatch(/X-Amz-Signature/);
  return ended;
}

async function doctor(
  storage: Record<string, string>,
  words: readonly string[] = [],
  secret = S3_SECRET_KEY,
) {
  const { code, stdout } = await ran(storage, [...words, '--json'], secret);
  const [{ findings } = { findings: [] }] = JSON.parse(stdout).storages;
  expect(code).toBe(findings.length === 0 ? 0 : 1);
  return findings.map(({ id }: { id: string }) => id);
}

describe('doctor --storage: a real object store', () => {
  let s3: S3;
  beforeAll(async () => {
    s3 = await startS3({ media: { 'videos/a b+.txt': 'content' } });
  }, START_MS);
  afterAll(() => s3.stop());

  test('nothing is found, with and without an object', async () => {
    const { endpoint } = s3;
    expect(await doctor({ endpoint, prefix: 'videos/' }, ['a b+.txt'])).toEqual([]);
    expect(await doctor({ endpoint, prefix: 'videos/' })).toEqual([]);
  });

  test.each([
    ['object', { prefix: 'other/' }, undefined],
    ['credentials', {}, 'another-secret-of-the-storage'],
    ['bucket', { bucket: 'no-such-bucket' }, undefined],
    ['region', { region: 'us-west-9' }, undefined],
  ])('%s is found', async (id, more, secret) => {
    const storage = { endpoint: s3.endpoint, prefix: 'videos/', ...more };
    expect(await doctor(storage, ['a b+.txt'], secret)).toEqual([id]);
  });
});

/** What Swift cannot be made to do. */
describe('doctor --storage: other answers', () => {
  const error = (code: string, more = '') => `<Error><Code>${code}</Code>${more}</Error>`;

  async function endpointOf(listener: RequestListener): Promise<string> {
    const server: Server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const deny = error('AccessDenied');

  test.each<[string, RequestListener]>([
    ['public', (_, response) => void response.end('the object')],
    ['public', (_, response) => void response.writeHead(416).end(error('InvalidRange'))],
    [
      'public',
      ({ url }, response) =>
        void response
          .writeHead(url?.includes('X-Amz') ? 200 : 404)
          .end(url?.includes('X-Amz') ? 'x' : error('NoSuchKey')),
    ],
    [
      'clock',
      ({ url }, response) => {
        response.setHeader('Date', new Date(Date.now() - 100_000).toUTCString());
        response.writeHead(url?.includes('X-Amz') ? 206 : 403).end('x');
      },
    ],
    [
      'region',
      ({ url }, response) => {
        response.setHeader('x-amz-bucket-region', 'eu-west-1');
        response.writeHead(url?.includes('X-Amz') ? 301 : 403).end(error('PermanentRedirect'));
      },
    ],
    [
      'credentials',
      ({ url }, response) =>
        void response.writeHead(403).end(url?.includes('X-Amz') ? error('ExpiredToken') : deny),
    ],
    ['object', (_, response) => void response.writeHead(403).end(deny)],
  ])('%s is found', async (id, listener) => {
    expect(await doctor({ endpoint: await endpointOf(listener) }, ['a.txt'])).toEqual([id]);
  });

  test('without an object, public access is not tested', async () => {
    const endpoint = await endpointOf((_, response) => void response.writeHead(403).end(deny));
    expect((await ran({ endpoint })).stdout).toMatch(/^– nothing found, but not tested: public/m);
    const { stdout } = await ran({ endpoint }, ['--json']);
    expect(JSON.parse(stdout).storages).toMatchObject([{ untested: ['public', 'object'] }]);
  });

  test('a storage that does not answer is found', async () => {
    expect(await doctor({ endpoint: 'http://127.0.0.1:9' })).toEqual(['unreachable']);
  });
});

test('doctor --storage: without such a mount it is a usage error', async () => {
  const env = { POSTERN_MOUNTS: '/download/=/protected/' };
  const ran = await postern(['doctor', '--storage'], '/', { env });
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('no mount has a storage')]);
});
