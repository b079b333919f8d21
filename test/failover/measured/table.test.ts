import { expect, test } from 'vitest';
import type { Open, Operation } from './checker.ts';
import type { Scenario } from './scenario.ts';
import {
  isConfirmed,
  isLookUp,
  longestOutage,
  problems,
  type Row,
  replaceTables,
  tables,
} from './table.ts';

const row = (more: Partial<Row> = {}): Row => ({
  ...{ topology: 'Sentinel', replicas: 0, scenario: 'a kill', times: 1 },
  ...{ lookUpOutage: 2_345, confirmedOutage: 0, lostTokens: 3, wronglyOpened: 0, forged: 0 },
  ...{ lostRevocations: 0, lateRevocations: 0, lostRedemptions: 0, other: 0 },
  memory: [2 ** 20, 2 ** 21],
  ...more,
});

test('table: a row has both settings of a scenario, without confirmation first', () => {
  const text = tables([
    row({ replicas: 2, times: 20, lostTokens: 0 }),
    row({ scenario: 'a hang' }),
    row({ times: 20 }),
    row({ topology: 'Cluster' }),
  ]);
  const [, sentinel, cluster] = text.split(/\*\*\w+\*\*\n\n/);
  expect(sentinel?.trim().split('\n').slice(2)).toEqual([
    '| a kill, 20 times | 2.3/2.3 | –/– | 0/0 | 0/0 | 3/0 |',
    '| a hang | 2.3 | – | 0 | 0 | 3 |',
  ]);
  expect(cluster).toContain('| a kill | 2.3 | – | 0 | 0 | 3 |');
});

test('table: it replaces what is between the marks of a page, again and again', () => {
  const begin = '<!-- The tables: written by npm run test:failover -->\n';
  const page = `before\n${begin}old\n<!-- End of the tables -->\nafter\n`;
  const replaced = replaceTables(page, 'new');
  expect(replaced).toBe(`before\n${begin}\nnew\n<!-- End of the tables -->\nafter\n`);
  expect(replaceTables(replaced, 'new')).toBe(replaced);
  expect(() => replaceTables('a page', 'new')).toThrow('End of the tables');
});

const harmless: Scenario = { name: 'x', run: async () => {} };
const harmful: Scenario = { ...harmless, loses: 'maybe' };
const surely: Scenario = { ...harmless, loses: 'surely' };
const lost = { lostRevocations: 1, lostRedemptions: 1, wronglyOpened: 2 };
const LOST = [/2 acknowledged/, /2 requests were wrongly opened/];

test.each<[string, Row, Scenario, RegExp[]]>([
  ['nothing is lost', row(), harmless, []],
  ['a harmless failure loses', row(lost), harmless, LOST],
  ['a harmful failure loses', row(lost), harmful, []],
  ['it loses with all replicas', row({ ...lost, replicas: 2 }), surely, LOST],
  ['a failure that surely loses does not', row(), surely, [/the checker did not find/]],
  ['it does not with all replicas', row({ replicas: 2 }), surely, []],
  ['a token is forged', row({ forged: 1 }), surely, [/1 tokens/, /the checker/]],
  ['another status', row({ other: 1 }), harmless, [/1 responses/]],
  ['an outage without an end', row({ lookUpOutage: 61_000 }), harmless, [/an outage of 61000 ms/]],
  ['the same, for good', row({ lookUpOutage: 61_000 }), { ...harmless, isForGood: true }, []],
  ['memory grows', row({ memory: [0, 2 ** 30] }), harmless, [/the memory grew/]],
])('expected: %s', (_, of, scenario, expected) => {
  const found = problems(of, scenario);
  expect(found).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(found[i]).toMatch(pattern);
});

const open = (start: number, end: number, outcome: Open['outcome'], single = false): Open => {
  return { op: 'open', token: 't', file: 'a', single, requester: 'A', start, end, outcome };
};

test('outage: failures with less than a second between them are one outage', () => {
  expect(longestOutage([])).toBe(0);
  expect(longestOutage([open(0, 10, 'opened')])).toBe(0);
  const history = [
    open(900, 1_100, 'unknown'),
    open(100, 200, 'unknown'),
    open(300, 400, 'opened'),
    // Another one.
    open(5_000, 5_500, 'unknown'),
  ];
  expect(longestOutage(history)).toBe(1_000);
});

test('outage: a long request counts until its end', () => {
  const history = [
    open(0, 4_000, 'unknown'),
    open(100, 200, 'unknown'),
    open(4_900, 5_000, 'unknown'),
  ];
  expect(longestOutage(history)).toBe(5_000);
});

test('outage: revocations and requests with single-use tokens are confirmed, look-ups are not', () => {
  const times = { start: 0, end: 1 };
  const revoke: Operation = { op: 'revoke', by: 'id', tokens: ['t'], outcome: 'done', ...times };
  const kinds = [revoke, open(0, 1, 'opened', true), open(0, 1, 'opened')];
  expect(kinds.map(isConfirmed)).toEqual([true, true, false]);
  expect(kinds.map(isLookUp)).toEqual([false, false, true]);
});
