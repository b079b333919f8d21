import { expect, test } from 'vitest';
import { parseWrk } from '../../bench/load/wrk.ts';
import { readOptions } from '../../bench/options.ts';
import { inRounds, median, ratios } from '../../bench/rounds.ts';

const OUTPUT = `Running 3s test @ http://127.0.0.1:20000/static/file.bin
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   620.09us  180.06us   6.35ms   92.60%
    Req/Sec    52.21k     1.71k   53.99k    77.42%
  156336 requests in 3.00s, 201.27MB read
Requests/sec:  52108.11
Transfer/sec:     67.09MB
`;

test('wrk: its output is read', () => {
  const load = { requests: 156336, perSecond: 52108.11 };
  expect(parseWrk(OUTPUT)).toEqual(load);
});

test('wrk: denials and broken connections are an error', () => {
  expect(() => parseWrk(`${OUTPUT}  Non-2xx or 3xx responses: 12\n`)).toThrow(/3xx responses: 12/);
  const broken = '  Socket errors: connect 0, read 3, write 0, timeout 0\n';
  expect(() => parseWrk(OUTPUT + broken)).toThrow(/read 3/);
  expect(() => parseWrk('unable to connect')).toThrow(/unable to connect/);
});

test('options: flags are read and checked', () => {
  expect(readOptions([])).toMatchObject({ rounds: 11, seconds: 2 });
  expect(readOptions(['--quick'])).toMatchObject({ rounds: 1, seconds: 1 });
  expect(readOptions(['--quick', '--rounds', '2'])).toMatchObject({ rounds: 2, seconds: 1 });
  expect(() => readOptions(['--only', 'redis,jwt'])).toThrow(/--only: jwt is neither/);
  expect(readOptions(['--help'])).toBeUndefined();
  expect(() => readOptions(['--rounds', '0'])).toThrow(/--rounds must be a whole number/);
  expect(() => readOptions(['--fast'])).toThrow(/--fast/);
});

test('options: --only selects workloads and variants', () => {
  const chosen = (...args: string[]) => readOptions(args);
  const only = (names: string) => chosen('--only', names);
  expect(chosen()?.workloads).toEqual(['serve', 'issue', 'download', 'growth']);
  expect(chosen()?.variants).toContain('redis');
  expect(only('issue')).toMatchObject({ workloads: ['issue'], variants: chosen()?.variants });
  // Together with the systems that ratios need.
  expect(only('redis,serve')).toMatchObject({
    workloads: ['serve'],
    variants: ['static', 'ceiling', 'own', 'redis'],
  });
});

test('rounds: each step is measured once a round', async () => {
  const told: string[] = [];
  let at = 0;
  const step = (id: string) => ({ id, title: id, run: async () => ++at });
  const { rounds } = await inRounds([step('a'), step('b')], 3, (what) => told.push(what));
  expect(told.toSorted()).toEqual(
    [1, 2, 3].flatMap((round) => ['a', 'b'].map((id) => `round ${round} of 3: ${id}`)),
  );
  expect([rounds.a?.length, rounds.b?.length]).toEqual([3, 3]);
  // In each round, each step runs once.
  for (const round of [0, 1, 2])
    expect((rounds.a?.[round] ?? 0) + (rounds.b?.[round] ?? 0)).toBe(4 * round + 3);
});

test('rounds: a step that fails is reported, not repeated, and the others are kept', async () => {
  let runs = 0;
  const good = { id: 'good', title: 'Good', run: async () => 1 };
  const bad = {
    ...{ id: 'bad', title: 'Bad' },
    // It fails in the second round: ratios need figures of every round.
    run: async () => {
      runs += 1;
      if (runs === 2) throw new Error('no nginx module\n[emerg] dlopen() failed');
      return 1;
    },
  };
  const { rounds, failed } = await inRounds([good, bad], 4, () => {});
  expect(rounds).toEqual({ good: [1, 1, 1, 1] });
  expect(runs).toBe(2);
  expect(failed).toEqual([{ title: 'Bad', reason: 'no nginx module\n[emerg] dlopen() failed' }]);
});

test('stats: the median is the middle value, or the mean of the middle two', () => {
  const values = [9, 1, 10];
  expect(median(values)).toBe(9);
  expect(values).toEqual([9, 1, 10]);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeUndefined();
});

test('stats: the ratio is taken within each round, so a slow round does not change it', () => {
  expect(ratios([50, 5, 51], [100, 10, 100])).toEqual([0.5, 0.5, 0.51]);
  expect(ratios([1], [])).toEqual([]);
  expect(() => ratios([1], [1, 2])).toThrow(TypeError);
});
