import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { decodeRecord, encodeRecord } from '../../service/store/redis/record.ts';
import { type Grant, KEPT_FIELDS } from '../../service/token/grant.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { projectRoot } from '../harness/paths.ts';
import { grantAt } from './grants.ts';

test('record: short, and with the version of its layout', () => {
  expect(encodeRecord(grantAt(1000))).toBe(
    '{"v":1,"c":"web","m":"/download/","p":"/download/a","i":1000,"x":61000}',
  );
});

test.each([
  {},
  { external: true, signedUntil: 5, uses: { max: 1, resumeFor: 0, cookieOnly: true } },
])('record: a grant with %j is decoded to the same fields, and absent ones stay absent', (more) => {
  const grant = grantAt(1000, more as Partial<Grant>);
  expect(decodeRecord(encodeRecord(grant))).toStrictEqual(grant);
});

test.each(['{"v":1}', '{"v":2}', '{"v":"1"}', '{}', '[]', 'null', '1', '', '{'])(
  '%j is no record',
  (text) => {
    expect(() => decodeRecord(text)).toThrow();
  },
);

test.each([
  {},
  { confirm: true, pinHash: 'salt.hash', uses: { resumeFor: 0 } },
  { notBefore: 2 },
] as const)('record: a grant with %j has the layout 1, and no other is readable', (more) => {
  const fields = JSON.parse(encodeRecord(grantAt(1000, more)));
  expect(fields.v).toBe(1);
  for (const v of [0, 2, 3, 4, 1.5, '1', true, null, [1], undefined]) {
    expect(() => decodeRecord(JSON.stringify({ ...fields, v }))).toThrow(StoreUnavailable);
  }
});

test.each(['{"v":2,"z":1}', '{"v":1,"z":2}', '{"z":1}'])(
  'record: %s is not the record of a revocation, and not readable',
  (text) => {
    expect(() => decodeRecord(text)).toThrow(StoreUnavailable);
  },
);

test.each(['v', 'c', 'm', 'p', 'i', 'x', 'o'])(
  'without %s nothing is known of the token',
  (field) => {
    const uses = { max: 1, resumeFor: 60 };
    const fields = JSON.parse(encodeRecord(grantAt(1000, { uses })));
    expect(decodeRecord(JSON.stringify(fields))).toMatchObject({ uses });
    delete fields[field];
    expect(() => decodeRecord(JSON.stringify(fields))).toThrow();
  },
);

test.each([
  ...[{ n: 1 }, { b: 1 }, { a: 1 }, { q: 1 }],
  ...[{ o: -1 }, { o: 0.5 }, { o: '60' }, { o: 60, n: 0 }, { o: 60, n: 1.5 }, { o: 60, n: '1' }],
  { o: 60, n: false },
])('record: uses of %j are not readable, because requesters would not be counted', (uses) => {
  const fields = JSON.parse(encodeRecord(grantAt(1000)));
  expect(() => decodeRecord(JSON.stringify({ ...fields, ...uses }))).toThrow();
});

test.each([{ N: '2' }, { N: 0 }])('record: not_before of %j is not readable', (change) => {
  const fields = JSON.parse(encodeRecord(grantAt(1000, { notBefore: 2 })));
  expect(() => decodeRecord(JSON.stringify({ ...fields, ...change }))).toThrow(StoreUnavailable);
});

test.each([
  ...[{ h: undefined }, { P: 5 }],
  ...[{ h: 0 }, { h: 0, P: undefined }, { o: undefined }, { o: undefined, P: undefined }],
])('record: a grant with confirm and %j is not readable', (change) => {
  const grant = grantAt(1000, { confirm: true, pinHash: 'salt.hash', uses: { resumeFor: 0 } });
  const fields = { ...JSON.parse(encodeRecord(grant)), ...change };
  expect(() => decodeRecord(JSON.stringify(fields))).toThrow(StoreUnavailable);
});

test('record: no two fields have the same key', async () => {
  const own = await readFile(join(projectRoot, 'service/store/redis/record.ts'), 'utf8');
  const fixed = [...own.matchAll(/^ {2}(\w)\??: /gm)].map(([, key]) => key);
  const keys = [...fixed, 'z', ...KEPT_FIELDS.map(({ record }) => record)];
  expect(fixed).toContain('P');
  expect(new Set(keys).size).toBe(keys.length);
});

test('record: listing and index have their own keys beside a PIN', () => {
  const more = { listing: true, index: true, confirm: true, pinHash: 'salt.hash' } as const;
  const grant = grantAt(1000, { ...more, uses: { resumeFor: 0 } });
  expect(decodeRecord(encodeRecord(grant))).toStrictEqual(grant);
});
