import { describe, expect, test } from 'vitest';
import { check, type Operation, type Verdict } from '../../bench/failover/checker.ts';
import { problems, type Row } from '../../bench/failover/row.ts';
import type { Scenario } from '../../bench/failover/scenario.ts';

/**
 * The operations of a text such as `single 0-1, A opened 2-3, revoke 4-5`. `single` issues a single-use
 * token, `subject` two tokens, of which one is `u`. A trailing `?` is an outcome that nobody knows, `u` and
 * `file=b` another token or file than the usual one.
 */
function historyOf(text: string): Operation[] {
  return text.split(', ').map((words): Operation => {
    const [name = '', ...rest] = words.replace('?', '').split(' ');
    const times =
      rest
        .find((word) => /^\d/.test(word))
        ?.split('-')
        .map(Number) ?? [];
    const [start = 0, end = 0] = times;
    const file = rest.includes('file=b') ? 'b' : 'a';
    const outcome = words.endsWith('?') ? 'unknown' : 'done';
    const tokens = rest.includes('subject') ? ['t', 'u'] : ['t'];
    if (name === 'issue' || name === 'single') {
      return { op: 'issue', tokens, file, single: name === 'single', outcome, start, end };
    }
    if (name === 'revoke') {
      const by = tokens.length > 1 ? 'subject' : 'id';
      return { op: 'revoke', by, tokens, outcome, start, end };
    }
    const opened = rest.find((word) => word === 'opened' || word === 'denied') ?? 'unknown';
    const token = rest.includes('u') ? 'u' : 't';
    const request = { op: 'open', token, file, single: false, requester: name } as const;
    return { ...request, outcome: opened as 'opened', start, end };
  });
}

/** What is not empty in a verdict; of the requests, who sent them. */
function found(history: Operation[]): Record<string, readonly string[]> {
  const { wronglyOpened, ...rest } = check(history);
  const lists = { ...rest, wronglyOpened: wronglyOpened.map(({ requester }) => requester) };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

type Expected = Partial<Record<keyof Verdict, string[]>>;

/** What a history shows, the history, and what is found: the list with its token, and who opened it. */
const CASES = `
revocations: opened after an acknowledged one, to the end: lost
  issue 0-1, revoke 2-3, A denied 4-5, B opened 6-7 => lostRevocations t by B
revocations: opened after an acknowledged one, denied later: late
  issue 0-1, revoke 2-3, A opened 4-5, B denied 6-7 => lateRevocations t by A
revocations: each token of a subject counts
  issue subject 0-1, revoke subject 2-3, A denied 4-5, A opened u 4-5 => lostRevocations u by A
revocations: the first acknowledgement counts, not the last
  issue 0-1, revoke 2-3, A opened 4-5, revoke 6-7 => lostRevocations t by A
revocations: opened while one ran, or before
  issue 0-1, A opened 1-2, A opened 2-9, revoke 2-3
revocations: one that was not acknowledged may have happened or not
  issue 0-1, revoke 2-3?, A opened 4-5, A denied 6-7
redemptions: a second requester opened after the first: lost
  single 0-1, A opened 2-3, B opened 4-5 => lostRedemptions t by B
redemptions: a requester without an answer opened after another one had opened
  single 0-1, A 2-3, B opened 4-5, A opened 6-7 => lostRedemptions t by A
redemptions: two requesters opened at the same time
  single 0-1, A opened 2-4, B opened 3-5 => shared t by A B
redemptions: the same requester resumes
  single 0-1, A opened 2-3, A opened 4-5
redemptions: one of two opened, the other was denied or got no answer
  single 0-1, A opened 2-3, B denied 2-3, C 4-5
redemptions: a request without an answer may have taken the use
  single 0-1, A 2-3, B denied 4-5
redemptions: any number of requesters open a token without a limit
  issue 0-1, A opened 2-3, B opened 2-5, C opened 6-7
forgeries: a token that nobody issued
  A opened 2-3 => forged t by A
forgeries: a token before it was issued
  issue 4-5, A opened 2-3 => forged t by A
forgeries: another file
  issue 0-1, A opened file=b 2-3 => forged t by A
forgeries: an issue that was not acknowledged may have happened
  issue 0-1?, A opened 2-3
tokens: denied without a revocation: lost
  issue 0-1, A denied 2-3 => lostTokens t
tokens: denied while or after a revocation ran, acknowledged or not
  issue 0-1, revoke 2-5?, A denied 3-4
tokens: denied for another file, or before it was issued
  issue 4-5, A denied 2-3, A denied file=b 6-7, A denied 4-6
tokens: an issue that was not acknowledged
  issue 0-1?, A denied 2-3
`;
const cases = [...CASES.matchAll(/^(.+)\n {2}(.+?)(?: => (\w+) (\w)(?: by (.+))?)?$/gm)].map(
  ([, what = '', history = '', list, token = '', by]): [string, string, Expected] => {
    const opened = by === undefined ? {} : { wronglyOpened: by.split(' ') };
    return [what, history, list === undefined ? {} : { [list]: [token], ...opened }];
  },
);

describe('checker', () => {
  test('reads each case', () => expect(cases).toHaveLength(21));

  test.each(cases)('%s', (_, text, expected) => {
    const history = historyOf(text);
    expect(found(history)).toEqual(expected);
    // The order in which operations are recorded means nothing.
    const { wronglyOpened } = expected;
    expect(found(history.reverse())).toEqual({
      ...expected,
      ...(wronglyOpened && { wronglyOpened: wronglyOpened.toReversed() }),
    });
  });
});

const row = (more: Partial<Row> = {}): Row => ({
  ...{ topology: 'Sentinel', replicas: 0, scenario: 'a kill', times: 1 },
  ...{ lookUpOutage: 2_345, acknowledgedOutage: 0, lostTokens: 3, wronglyOpened: 0, forged: 0 },
  ...{ lostRevocations: 0, lateRevocations: 0, lostRedemptions: 0, other: 0 },
  memory: [2 ** 20, 2 ** 21],
  ...more,
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
