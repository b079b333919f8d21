import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import {
  addDeliveries,
  type CollectOptions,
  createCollector,
  type DeliveryResult,
  MAX_PENDING,
} from '../../service/delivery/collect.ts';
import { MAX_LINE_BYTES } from '../../service/delivery/line.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import type { AddedDelivery } from '../../service/token/delivery.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { sent } from '../store/contract-delivered.ts';
import { recorder } from '../support/receiver.ts';
import { grantAt, newId } from '../support/store/grants.ts';

/** Runs with a clock that the test moves. */
async function withTimers(run: () => Promise<void>): Promise<void> {
  vi.useFakeTimers();
  try {
    await run();
  } finally {
    vi.useRealTimers();
  }
}

const id = (n: number) => String(n).padStart(22, '0');
const line = (n: number, rest = '200 5 5 -') => Buffer.from(`<190>x: ${id(n)} ${rest}`);

type Entries = Parameters<CollectOptions['deliver']>[0];

function countedOf([id, { requests, bytes }]: Entries[number]): AddedDelivery {
  return { id, client: 'web', mount: '/download/', requests, bytes };
}

/** A collector, what the store got, and what became of the lines. */
function collecting(deliver?: CollectOptions['deliver'], from = ['127.0.0.0/8', '::1']) {
  const batches: Entries[] = [];
  const results = { added: 0, unknown: 0, invalid: 0, dropped: 0 };
  const lines: string[] = [];
  let now = 1000;
  const collector = createCollector({
    from,
    async deliver(entries) {
      batches.push(entries);
      if (deliver) return deliver(entries);
      return { added: entries.map(countedOf), unsent: [], lost: [] };
    },
    countDeliveries(result: DeliveryResult, count = 1) {
      results[result] += count;
    },
    log: pino({}, { write: (line) => void lines.push(JSON.parse(line).reason) }),
    now: () => now++,
  });
  return { ...collector, batches, results, lines };
}

test('delivery: the lines of a token are added to the store together', async () => {
  const { receive, flush, batches, results } = collecting();
  receive(line(1, '206 2 2 bytes 3-4/5'), '127.0.0.1');
  receive(line(2), '127.0.0.1');
  receive(line(1, '206 3 3 bytes 0-2/5'), '127.0.0.1');
  await flush();
  const first = { requests: 2, bytes: 5, first: 1000, last: 1002, size: 5, ranges: [[0, 5]] };
  const second = { requests: 1, bytes: 5, first: 1001, last: 1001, size: 5, ranges: [[0, 5]] };
  expect(batches).toEqual([
    [
      [id(1), first],
      [id(2), second],
    ],
  ]);
  expect(results).toEqual({ added: 3, unknown: 0, invalid: 0, dropped: 0 });
  await flush();
  expect(batches).toHaveLength(1);
});

test('delivery: lines are added by themselves, also those that come during a call of the store', () =>
  withTimers(async () => {
    let answer = () => {};
    const { receive, batches, results } = collecting(async () => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return { added: [], unsent: [], lost: [] };
    });
    receive(line(1), '127.0.0.1');
    await vi.advanceTimersByTimeAsync(1000);
    receive(line(2), '127.0.0.1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(batches.map((batch) => batch.map(([one]) => one))).toEqual([[id(1)]]);
    answer();
    await vi.advanceTimersByTimeAsync(1000);
    expect(batches.map((batch) => batch.map(([one]) => one))).toEqual([[id(1)], [id(2)]]);
    answer();
    await vi.advanceTimersByTimeAsync(1);
    expect(results.unknown).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  }));

test('delivery: a line from another address, a long line and a broken line are invalid', async () => {
  const { receive, flush, batches, results } = collecting();
  for (const address of ['192.0.2.1', '128.0.0.1', '::2', 'fe80::1%lo', ''])
    receive(line(1), address);
  const long = Buffer.concat([Buffer.alloc(MAX_LINE_BYTES, 'x'), line(1)]);
  for (const data of [long, Buffer.alloc(0), Buffer.alloc(60_000)]) receive(data, '127.0.0.1');
  expect(results.invalid).toBe(8);
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    receive(line(1), address);
  }
  receive(line(1), '192.0.2.1');
  await flush();
  expect(batches[0]?.[0]?.[1].requests).toBe(4);
});

test('delivery: a flood of 100,000 tokens keeps a bounded number, and drops the others', async () => {
  const { receive, flush, batches, results } = collecting();
  for (let i = 0; i < 100_000; i += 1) receive(line(i), '127.0.0.1');
  // A token that is pending already is added.
  receive(line(0), '127.0.0.1');
  expect(results.dropped).toBe(100_000 - MAX_PENDING);
  await flush();
  expect(batches.map(({ length }) => length)).toEqual([MAX_PENDING]);
  expect(results).toMatchObject({ added: MAX_PENDING + 1, unknown: 0, invalid: 0 });
});

test('delivery: 100,000 ranges of one token take bounded memory', async () => {
  const { receive, flush, batches } = collecting();
  for (let i = 0; i < 100_000; i += 1) {
    receive(line(1, `206 1 1 bytes ${2 * i}-${2 * i}/300000`), '127.0.0.1');
  }
  await flush();
  const delivery = batches[0]?.[0]?.[1];
  expect(delivery).toMatchObject({ requests: 100_000, bytes: 100_000 });
  expect(delivery?.ranges).toHaveLength(100);
});

test('delivery: lines that the store did not get are added later, once, and in their order', () =>
  withTimers(async () => {
    let isDown = true;
    const { receive, batches, results, lines } = collecting(async (entries) => {
      if (isDown) return { added: [], unsent: entries, lost: [] };
      return { added: entries.map(countedOf), unsent: [], lost: [] };
    });
    receive(line(1, '206 2 2 bytes 0-1/4'), '127.0.0.1');
    await vi.advanceTimersByTimeAsync(200);
    receive(line(1, '206 3 3 bytes 0-2/5'), '127.0.0.1');
    receive(line(2), '127.0.0.1');
    // The collector does not ask again with each new line.
    await vi.advanceTimersByTimeAsync(900);
    expect(batches).toHaveLength(1);
    isDown = false;
    await vi.advanceTimersByTimeAsync(1000);
    const both = { requests: 2, bytes: 5, first: 1000, last: 1001, size: 5, ranges: [[0, 3]] };
    expect(batches[1]).toMatchObject([
      [id(1), both],
      [id(2), { requests: 1 }],
    ]);
    expect(results).toEqual({ added: 3, unknown: 0, invalid: 0, dropped: 0 });
    await vi.advanceTimersByTimeAsync(5000);
    expect([batches.length, lines, vi.getTimerCount()]).toEqual([2, [], 0]);
  }));

test('delivery: while the store is down, a bounded number waits, and the end drops it', async () => {
  let more = () => {};
  const { receive, flush, close, batches, results, lines } = collecting(async (entries) => {
    more();
    more = () => {};
    return { added: [], unsent: entries, lost: [] };
  });
  for (let i = 0; i < MAX_PENDING; i += 1) receive(line(i), '127.0.0.1');
  // These come while the store is asked.
  more = () => {
    for (let i = 5; i < MAX_PENDING + 5; i += 1) receive(line(i), '127.0.0.1');
  };
  await flush();
  expect(results).toEqual({ added: 0, unknown: 0, invalid: 0, dropped: 5 });
  expect(lines).toEqual(['queue_full']);
  await close();
  expect(batches.at(-1)).toHaveLength(MAX_PENDING);
  expect(results.dropped).toBe(2 * MAX_PENDING);
  expect(lines).toEqual(['queue_full', 'shutdown']);
});

test('delivery: lines that the store may have added are dropped, with one log line, and later ones are added', async () => {
  let isDown = true;
  const { receive, flush, batches, results, lines } = collecting(async () => {
    if (isDown) throw new StoreUnavailable('Connection is closed.');
    return { added: [], unsent: [], lost: [] };
  });
  for (let i = 0; i < 250; i += 1) receive(line(i), '127.0.0.1');
  await flush();
  receive(line(1), '127.0.0.1');
  await flush();
  expect(batches).toHaveLength(2);
  expect(results).toMatchObject({ added: 0, unknown: 0, dropped: 251 });
  isDown = false;
  receive(line(1), '127.0.0.1');
  await flush();
  expect(results).toMatchObject({ unknown: 1, dropped: 251 });
  expect(lines).toEqual(['no_response']);
});

test('delivery: a store that fails for some tokens drops the lines of these tokens only', async () => {
  const { receive, flush, results } = collecting(async ([failed, unknown, ...rest]) => {
    expect(unknown?.[0]).toBe(id(1));
    return { added: rest.map(countedOf), unsent: [], lost: failed ? [failed] : [] };
  });
  for (const n of [0, 0, 0, 1, 1, 2, 3]) receive(line(n), '127.0.0.1');
  await flush();
  expect(results).toEqual({ added: 2, unknown: 2, invalid: 0, dropped: 3 });
});

const TOKEN = `ps_${'a'.repeat(32)}`;

test('delivery: the log has a line when a file is whole, and an event, and never a token', async () => {
  const logged: Array<Record<string, unknown>> = [];
  const write = (line: string) => void logged.push(JSON.parse(line));
  const store = createMemoryStore();
  const { emit, events } = recorder();
  const recordBytes = () => {};
  const parts = { store, recordBytes, emit, log: pino({}, { write }) };
  const id = newId();
  const names = { subject: `ada ${TOKEN}`, covers: `/download/${TOKEN}`, site: 'files.example' };
  await store.issue([[id, grantAt(Date.now(), names)]]);
  await addDeliveries(parts, [[id, sent([0, 50])]]);
  expect([logged, events]).toEqual([[], []]);
  await addDeliveries(parts, [[id, sent([50, 100])]]);
  await addDeliveries(parts, [[id, sent([0, 100])]]);
  const fields = {
    ...{ token_id: id, client: 'web', subject: 'ada ***' },
    ...{ path: '/download/***', site: 'files.example' },
  };
  expect(logged).toMatchObject([{ level: 30, msg: 'delivered', ...fields }]);
  const timestamp = expect.any(String);
  expect(events).toEqual([{ type: 'token.delivered', timestamp, data: fields }]);
});
