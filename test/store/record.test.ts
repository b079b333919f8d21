import { expect, test } from 'vitest';
import { decodeRecord, encodeRecord } from '../../service/store/redis/record.ts';
import { type Grant, KEPT_FIELDS } from '../../service/token/grant.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { textOf } from '../harness/paths.ts';
import { grantAt } from '../support/store/grants.ts';

const ID = 'abcdefghijklmnopqrstuv';

test('record: short, and with the version of its layout', () => {
  expect(encodeRecord(ID, grantAt(1000))).toBe(
    '{"v":1,"K":"abcdefgh","c":"web","m":"/download/","p":"/download/a","i":1000,"x":61000}',
  );
});

const PIN = { confirm: true, pinHmac: 'hmac', uses: { resumeFor: 0 } } as const;
const USES = { uses: { max: 1, resumeFor: 60 } } as const;

test.each<Partial<Grant>>([
  {},
  { external: true, signedUntil: 5, uses: { max: 1, resumeFor: 0, cookieOnly: true } },
  { ...PIN, listing: true, index: true },
])('record: a grant with %j is decoded to the same fields, and absent ones stay absent', (more) => {
  const grant = grantAt(1000, more);
  expect(decodeRecord(ID, encodeRecord(ID, grant))).toStrictEqual(grant);
});

test.each([
  ...['{"v":1}', '{"v":2}', '{"v":"1"}', '{}', '[]', 'null', '1', '', '{'],
  // Nearly the record of a revocation.
  ...['{"v":2,"z":1}', '{"v":1,"z":2}', '{"z":1}'],
])('record: %j is not readable', (text) => {
  expect(() => decodeRecord(ID, text)).toThrow(StoreUnavailable);
});

const VERSIONS = [0, 2, 3, 4, 1.5, '1', true, null, [1], undefined].map((v) => ({ v }));
const MISSING = [...'vKcmpixo'].map((field) => ({ [field]: undefined }));

test.each<[Partial<Grant>, object[]]>([
  [{}, VERSIONS],
  [USES, MISSING],
  // Requesters would not be counted.
  [{}, [{ n: 1 }, { b: 1 }, { a: 1 }, { q: 1 }, { o: -1 }, { o: 0.5 }, { o: '60' }]],
  [
    {},
    [
      { o: 60, n: 0 },
      { o: 60, n: 1.5 },
      { o: 60, n: '1' },
      { o: 60, n: false },
    ],
  ],
  [{ notBefore: 2 }, [...VERSIONS, { N: '2' }, { N: 0 }]],
  [PIN, [...VERSIONS, { h: undefined }, { P: 5 }, { h: 0 }, { h: 0, P: undefined }]],
  [PIN, [{ o: undefined }, { o: undefined, P: undefined }]],
])('record: a grant with %j is not readable after any change of %j', (more, changes) => {
  const fields = JSON.parse(encodeRecord(ID, grantAt(1000, more)));
  expect(decodeRecord(ID, JSON.stringify(fields))).toMatchObject(more);
  for (const change of changes) {
    const changed = JSON.stringify({ ...fields, ...change });
    expect(() => decodeRecord(ID, changed), changed).toThrow(StoreUnavailable);
  }
});

test('record: no two fields have the same key', async () => {
  const own = textOf('service/store/redis/record.ts');
  const fixed = [...own.matchAll(/^ {2}(\w)\??: /gm)].map(([, key]) => key);
  const keys = [...fixed, 'z', ...KEPT_FIELDS.map(({ record }) => record)];
  expect(fixed).toContain('P');
  expect(new Set(keys).size).toBe(keys.length);
});
