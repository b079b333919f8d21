import { describe, expect, test } from 'vitest';
import {
  check,
  type Issue,
  type Open,
  type Operation,
  type Revoke,
  type Verdict,
} from './checker.ts';

type At = readonly [start: number, end: number];
const times = ([start, end]: At) => ({ start, end });

const issue = (at: At, more: Partial<Issue> = {}): Issue => {
  return {
    op: 'issue',
    tokens: ['t'],
    file: 'a',
    single: false,
    outcome: 'done',
    ...times(at),
    ...more,
  };
};
const single = (at: At) => issue(at, { single: true });
const open = (
  outcome: Open['outcome'],
  requester: string,
  at: At,
  more: Partial<Open> = {},
): Open => {
  const known = { op: 'open', token: 't', file: 'a', single: false } as const;
  return { ...known, requester, outcome, ...times(at), ...more };
};
const revoke = (at: At, more: Partial<Revoke> = {}): Revoke => {
  return { op: 'revoke', by: 'id', tokens: ['t'], outcome: 'done', ...times(at), ...more };
};

/** What is not empty in a verdict; of the requests, who sent them. */
function found(history: Operation[]): Record<string, readonly string[]> {
  const { wronglyOpened, ...rest } = check(history);
  const lists = { ...rest, wronglyOpened: wronglyOpened.map(({ requester }) => requester) };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

const cases: Record<
  string,
  Record<string, [Operation[], Partial<Record<keyof Verdict, string[]>>]>
> = {
  revocations: {
    'opened after an acknowledged revocation, to the end: lost': [
      [issue([0, 1]), revoke([2, 3]), open('denied', 'A', [4, 5]), open('opened', 'B', [6, 7])],
      { lostRevocations: ['t'], wronglyOpened: ['B'] },
    ],
    'opened after an acknowledged revocation, denied later: late': [
      [issue([0, 1]), revoke([2, 3]), open('opened', 'A', [4, 5]), open('denied', 'B', [6, 7])],
      { lateRevocations: ['t'], wronglyOpened: ['A'] },
    ],
    'each token of a subject counts': [
      [
        issue([0, 1], { tokens: ['t', 'u'] }),
        revoke([2, 3], { by: 'subject', tokens: ['t', 'u'] }),
        open('denied', 'A', [4, 5]),
        open('opened', 'A', [4, 5], { token: 'u' }),
      ],
      { lostRevocations: ['u'], wronglyOpened: ['A'] },
    ],
    'the first acknowledgement counts, not the last': [
      [issue([0, 1]), revoke([2, 3]), open('opened', 'A', [4, 5]), revoke([6, 7])],
      { lostRevocations: ['t'], wronglyOpened: ['A'] },
    ],
    'opened while the revocation ran, or before': [
      [issue([0, 1]), open('opened', 'A', [1, 2]), open('opened', 'A', [2, 9]), revoke([2, 3])],
      {},
    ],
    'a revocation that was not acknowledged may have happened or not': [
      [
        issue([0, 1]),
        revoke([2, 3], { outcome: 'unknown' }),
        open('opened', 'A', [4, 5]),
        open('denied', 'A', [6, 7]),
      ],
      {},
    ],
  },
  redemptions: {
    'a second requester opened after the first: lost': [
      [single([0, 1]), open('opened', 'A', [2, 3]), open('opened', 'B', [4, 5])],
      { lostRedemptions: ['t'], wronglyOpened: ['B'] },
    ],
    'a requester without an answer opened after another one had opened': [
      [
        single([0, 1]),
        open('unknown', 'A', [2, 3]),
        open('opened', 'B', [4, 5]),
        open('opened', 'A', [6, 7]),
      ],
      { lostRedemptions: ['t'], wronglyOpened: ['A'] },
    ],
    'two requesters opened at the same time': [
      [single([0, 1]), open('opened', 'A', [2, 4]), open('opened', 'B', [3, 5])],
      { shared: ['t'], wronglyOpened: ['A', 'B'] },
    ],
    'the same requester resumes': [
      [single([0, 1]), open('opened', 'A', [2, 3]), open('opened', 'A', [4, 5])],
      {},
    ],
    'one of two opened, the other was denied or got no answer': [
      [
        single([0, 1]),
        open('opened', 'A', [2, 3]),
        open('denied', 'B', [2, 3]),
        open('unknown', 'C', [4, 5]),
      ],
      {},
    ],
    'a request without an answer may have taken the use': [
      [single([0, 1]), open('unknown', 'A', [2, 3]), open('denied', 'B', [4, 5])],
      {},
    ],
    'any number of requesters open a token without a limit': [
      [
        issue([0, 1]),
        open('opened', 'A', [2, 3]),
        open('opened', 'B', [2, 5]),
        open('opened', 'C', [6, 7]),
      ],
      {},
    ],
  },
  forgeries: {
    'a token that nobody issued': [
      [open('opened', 'A', [2, 3])],
      { forged: ['t'], wronglyOpened: ['A'] },
    ],
    'a token before it was issued': [
      [issue([4, 5]), open('opened', 'A', [2, 3])],
      { forged: ['t'], wronglyOpened: ['A'] },
    ],
    'another file': [
      [issue([0, 1]), open('opened', 'A', [2, 3], { file: 'b' })],
      { forged: ['t'], wronglyOpened: ['A'] },
    ],
    'an issue that was not acknowledged may have happened': [
      [issue([0, 1], { outcome: 'unknown' }), open('opened', 'A', [2, 3])],
      {},
    ],
  },
  tokens: {
    'denied without a revocation: lost': [
      [issue([0, 1]), open('denied', 'A', [2, 3])],
      { lostTokens: ['t'] },
    ],
    'denied while or after a revocation ran, acknowledged or not': [
      [issue([0, 1]), revoke([2, 5], { outcome: 'unknown' }), open('denied', 'A', [3, 4])],
      {},
    ],
    'denied for another file, or before it was issued': [
      [
        issue([4, 5]),
        open('denied', 'A', [2, 3]),
        open('denied', 'A', [6, 7], { file: 'b' }),
        open('denied', 'A', [4, 6]),
      ],
      {},
    ],
    'an issue that was not acknowledged': [
      [issue([0, 1], { outcome: 'unknown' }), open('denied', 'A', [2, 3])],
      {},
    ],
  },
};

for (const [of, histories] of Object.entries(cases)) {
  describe(`checker: ${of}`, () => {
    test.each(Object.entries(histories))('%s', (_, [history, expected]) => {
      expect(found(history)).toEqual(expected);
      // The order in which operations are recorded means nothing.
      expect(found([...history].reverse())).toEqual(
        Object.fromEntries(
          Object.entries(expected).map(([name, list]) => [
            name,
            name === 'wronglyOpened' ? [...list].reverse() : list,
          ]),
        ),
      );
    });
  });
}
