import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../../harness/ports.ts';
import { type S3, S3_ACCESS_KEY, S3_REGION, S3_SECRET_KEY, startS3 } from '../../harness/s3.ts';
import { postern } from '../../support/cli/postern.ts';
import { folderForTest, forTest } from '../../support/for-test.ts';
import { listening } from '../../support/postern.ts';
import { START_MS } from '../../support/storage-sites.ts';

type Fields = Record<string, string>;

async function ran(storage: Fields, words: readonly string[] = [], secret = S3_SECRET_KEY) {
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

async function doctor(storage: Fields, words: readonly string[] = [], secret?: string) {
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
  const error = (code: string) => `<Error><Code>${code}</Code></Error>`;

  async function endpointOf(listener: RequestListener): Promise<string> {
    const { port } = await forTest(listening(listener));
    return `http://127.0.0.1:${port}`;
  }

  const deny = error('AccessDenied');
  const early = () => ({ Date: new Date(Date.now() - 100_000).toUTCString() });
  const elsewhere = () => ({ 'x-amz-bucket-region': 'eu-west-1' });

  type Answer = readonly [status: number, body: string];
  // To a request with a signature, and to one without.
  test.each<[id: string, signed: Answer, plain: Answer, headers?: () => Record<string, string>]>([
    ['public', [200, 'the object'], [200, 'the object']],
    ['public', [416, error('InvalidRange')], [416, error('InvalidRange')]],
    ['public', [200, 'x'], [404, error('NoSuchKey')]],
    ['clock', [206, 'x'], [403, 'x'], early],
    ['region', [301, error('PermanentRedirect')], [403, error('PermanentRedirect')], elsewhere],
    ['credentials', [403, error('ExpiredToken')], [403, deny]],
    ['object', [403, deny], [403, deny]],
  ])('%s is found', async (id, signed, plain, headers = () => ({})) => {
    const endpoint = await endpointOf(({ url }, response) => {
      const [status, body] = url?.includes('X-Amz') ? signed : plain;
      response.writeHead(status, headers()).end(body);
    });
    expect(await doctor({ endpoint }, ['a.txt'])).toEqual([id]);
  });

  test('without an object, public access is not tested', async () => {
    const endpoint = await endpointOf((_, response) => void response.writeHead(403).end(deny));
    expect((await ran({ endpoint })).stdout).toMatch(/^– nothing found, but not tested: public/m);
    const { stdout } = await ran({ endpoint }, ['--json']);
    expect(JSON.parse(stdout).storages).toMatchObject([{ untested: ['public', 'object'] }]);
  });

  test('a storage that does not answer is found', async () => {
    // Node.js refuses to connect to some ports, such as 9.
    const [port] = await freePorts(1);
    const { stdout } = await ran({ endpoint: `http://127.0.0.1:${port}` });
    expect(stdout).toContain('did not answer: connection refused  [unreachable]');
  });
});

test('doctor --storage: without such a mount it is a usage error', async () => {
  const env = { POSTERN_MOUNTS: '/download/=/protected/' };
  const ran = await postern(['doctor', '--storage'], '/', { env });
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('no mount has a storage')]);
});
