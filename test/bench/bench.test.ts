import { expect, test } from 'vitest';
import { parseWrk } from '../../bench/load/wrk.ts';
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
