import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createMetrics } from '../../service/metrics/metrics.ts';
import { createDeliver } from '../../service/sent/collect.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { sent } from '../store/contract-delivered.ts';
import { grantAt, newId } from '../store/grants.ts';
import { samplesOf } from '../support/samples.ts';
import { recorder } from '../webhooks/receiver.ts';

const TOKEN = `ps_${'a'.repeat(32)}`;

test('delivery: the log has a line when a file is whole, and an event, and never a token', async () => {
  const logged: Array<Record<string, unknown>> = [];
  const write = (line: string) => void logged.push(JSON.parse(line));
  const store = createMemoryStore();
  const { emit, events } = recorder();
  const recordBytes = () => {};
  const deliver = createDeliver({ store, recordBytes, emit, log: pino({}, { write }) });
  const id = newId();
  const names = { subject: `ada ${TOKEN}`, covers: `/download/${TOKEN}`, site: 'files.example' };
  await store.issue([[id, grantAt(Date.now(), names)]]);
  await deliver([[id, sent([0, 50])]]);
  expect([logged, events]).toEqual([[], []]);
  await deliver([[id, sent([50, 100])]]);
  await deliver([[id, sent([0, 100])]]);
  const fields = {
    ...{ token_id: id, client: 'web', subject: 'ada ***' },
    ...{ path: '/download/***', site: 'files.example' },
  };
  expect(logged).toMatchObject([{ level: 30, msg: 'delivered', ...fields }]);
  const timestamp = expect.any(String);
  expect(events).toEqual([{ type: 'token.delivered', timestamp, data: fields }]);
});

test('metrics: only names of the configuration are labels, and users of an issuer count as the issuer', async () => {
  const metrics = createMetrics({ version: '0.0.0', node: 'v20.0.0' });
  const record = metrics.bytesRecorder(new Set(['web', 'login']), new Set(['/download/']));
  const counted = { id: newId(), requests: 1, bytes: 10, client: 'web', mount: '/download/' };
  record(counted);
  record({ ...counted, client: 'login/ada' });
  record({ ...counted, client: 'login/bob' });
  record({ ...counted, client: 'removed', mount: '/old/' });
  record({ ...counted, client: 'removed-2', mount: '/old-2/' });
  const samples = samplesOf(await metrics.text());
  const bytes = [...samples].filter(([name]) => name.startsWith('postern_delivered_bytes_total'));
  expect(
    bytes.map(([name, value]) => [name.replace('postern_delivered_bytes_total', ''), value]),
  ).toEqual([
    ['{client="web",mount="/download/"}', 10],
    ['{client="login",mount="/download/"}', 20],
    ['{client="other",mount="other"}', 20],
  ]);
});
