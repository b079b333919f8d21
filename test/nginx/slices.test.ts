import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sliced } from '../support/nginx/slices.ts';
import { useSite } from '../support/site.ts';

const BIG = randomBytes(9_000_000);
const site = useSite({
  ...sliced(),
  files: { 'big.bin': BIG, 'a.txt': 'hello', 'empty.txt': '' },
});

test('slices: a whole file and a range, with one line in the log for each', async () => {
  const { url, id } = await site.issue({ path: '/download/big.bin', subject: 'ada b' });
  const whole = await site.ask('GET', url);
  expect([whole.status, whole.body.equals(BIG)]).toEqual([200, true]);
  const line = { token_id: id, subject: 'ada b', code: 'allow', status: 200, completion: 'OK' };
  expect(await site.line(id)).toMatchObject(line);
  const part = await site.ask('GET', url, { Range: 'bytes=3000000-7000000' });
  expect([part.status, part.body.equals(BIG.subarray(3_000_000, 7_000_001))]).toEqual([206, true]);
});
