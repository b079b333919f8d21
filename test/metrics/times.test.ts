import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createInstruments } from '../../service/metrics/instruments.ts';
import { metricsOf, samplesOf } from '../support/samples.ts';

const made = (registry: Registry) =>
  createInstruments(registry).times('a_seconds', 'How long.', 'by');

test('metrics: a bucket is cumulative and includes its bound', async () => {
  const registry = new Registry();
  const childOf = made(registry);
  const [one] = [childOf('one'), childOf('other')];
  for (const seconds of [0, 0.0001, 0.00011, 0.25, 0.2500001, 2, 2.1, 60]) {
    one.observe(seconds);
  }
  const text = await registry.metrics();
  expect(metricsOf(text)).toEqual(new Map([['a_seconds', 'histogram']]));
  const samples = samplesOf(text);
  const upTo = (le: string, by = 'one') => samples.get(`a_seconds_bucket{le="${le}",by="${by}"}`);
  expect(upTo('0.0001')).toBe(2);
  expect(upTo('0.00025')).toBe(3);
  expect(upTo('0.1')).toBe(3);
  expect(upTo('0.25')).toBe(4);
  expect(upTo('0.5')).toBe(5);
  expect(upTo('2')).toBe(6);
  expect(upTo('+Inf')).toBe(8);
  expect(samples.get('a_seconds_count{by="one"}')).toBe(8);
  expect(samples.get('a_seconds_sum{by="one"}')).toBeCloseTo(64.6002101, 6);
  expect(upTo('+Inf', 'other')).toBe(0);
});

test('metrics: a scrape changes no value', async () => {
  const registry = new Registry();
  made(registry)('one').observe(1);
  expect(await registry.metrics()).toBe(await registry.metrics());
});
