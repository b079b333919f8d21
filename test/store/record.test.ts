import { expect, test } from 'vitest';
import { decodeRecord, encodeRecord } from '../../service/store/record.ts';
import { grantAt } from './grants.ts';

test('record: short, and with the version of its layout', () => {
  expect(encodeRecord(grantAt(1000))).toBe(
    '{"v":2,"c":"web","m":"/download/","p":"/download/a","i":1000,"x":61000}',
  );
});

test('record: absent fields stay absent', () => {
  const grant = grantAt(1000);
  expect(decodeRecord(encodeRecord(grant))).toStrictEqual(grant);
});

test.each(['{"v":1}', '{"v":2}', '{"v":"1"}', '{}', '[]', 'null', '1', '', '{'])(
  '%j is no record',
  (text) => {
    expect(() => decodeRecord(text)).toThrow();
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
