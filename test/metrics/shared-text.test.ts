import { expect, test } from 'vitest';
import { sharedText } from '../../service/metrics/metrics.ts';

function shared() {
  const clock = { now: 5000 };
  let made = 0;
  const make = async () => {
    made += 1;
    if (made === 3) throw new Error('it cannot be made');
    return `text ${made}`;
  };
  return { clock, made: () => made, text: sharedText(make, () => clock.now) };
}

test('metrics: the text is built once for all scrapes within a second', async () => {
  const { clock, made, text } = shared();
  expect(await Promise.all([text(), text(), text()])).toEqual(['text 1', 'text 1', 'text 1']);
  clock.now += 999;
  expect(await text()).toBe('text 1');
  clock.now += 1;
  expect(await Promise.all([text(), text()])).toEqual(['text 2', 'text 2']);
  expect(made()).toBe(2);
});

test('metrics: an error is not cached', async () => {
  const { clock, text } = shared();
  await text();
  clock.now += 1000;
  await text();
  clock.now += 1000;
  await expect(Promise.all([text(), text()])).rejects.toThrow('it cannot be made');
  expect(await text()).toBe('text 4');
});
