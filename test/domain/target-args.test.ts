import { describe, expect, test } from 'vitest';
import { stateOf } from '../../service/api/schema.ts';
import { mount } from '../support/postern.ts';
import { client, createDecider, refusal } from './decider.ts';

const QUERY = 'X-Amz-Signature=ab%2F0&X-Amz-Expires=60';
const storage = { path: '/download/a', target: '/s3/bucket/key', target_args: QUERY };

function decider() {
  return createDecider({
    mounts: [
      mount('/download/', '/protected/', { passArguments: ['start'] }),
      mount('/files/', '/s3/'),
    ],
    client: { ...client, paths: [{ prefix: '/download/' }], targets: ['/s3/bucket/'] },
  });
}

test('target_args: are the query of the target, unchanged', async () => {
  const { issue, authorize } = decider();
  const { url } = await issue(storage);
  expect(await authorize(url)).toMatchObject({ target: '/s3/bucket/key', args: QUERY });
});

test('target_args: arguments of the request are not added', async () => {
  const { issue, authorize } = decider();
  const plain = await issue({ path: '/download/a' });
  expect(await authorize(`${plain.url}&start=5`)).toMatchObject({ args: 'start=5' });
  const { url } = await issue(storage);
  expect(await authorize(`${url}&start=5`)).toMatchObject({ args: QUERY });
});

describe('target_args: rejected', () => {
  test.each([
    '',
    'a b',
    'a#b',
    'a\nb',
    'a\r\nX: y',
    'a\tb',
    'a%',
    'a%2',
    'a%zz',
    'a"b',
    'a\\b',
    'a<b',
    'a{b',
    'é',
    '\u0000',
    'a'.repeat(4097),
  ])('as malformed: %j', async (args) => {
    const refused = await refusal(decider().issue({ ...storage, target_args: args }));
    expect(refused).toEqual({ code: 'invalid_request', pointers: ['/target_args'] });
  });

  test('without a target, and for a prefix', async () => {
    const { issue } = decider();
    const args = { target_args: QUERY };
    for (const request of [
      { path: '/download/a', ...args },
      { prefix: '/download/', target: '/s3/bucket/', ...args },
    ]) {
      expect(await refusal(issue(request))).toEqual({
        code: 'invalid_request',
        pointers: ['/target_args'],
      });
    }
  });

  test("for a target that a client's own path leads to, but that is none of its targets", async () => {
    const refused = await refusal(decider().issue({ ...storage, target: '/protected/a' }));
    expect(refused).toEqual({ code: 'insufficient_scope', pointers: ['/target_args'] });
  });

  test('for a JWT, which can be read', async () => {
    const refused = await refusal(decider().issue({ ...storage, format: 'jwt' }));
    expect(refused.pointers).toContain('/target_args');
  });
});

test('target_args: the API never shows them', async () => {
  const { issue, store } = decider();
  const { id } = await issue(storage);
  const grant = await store.find(id);
  if (grant === undefined) return expect.unreachable();
  expect(grant.targetArgs).toBe(QUERY);
  expect(JSON.stringify(stateOf(id, grant))).not.toContain('X-Amz');
});
