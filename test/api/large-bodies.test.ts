import { afterEach, expect, test, vi } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { createPostern, KEY } from '../support/postern.ts';
import { createAsked } from './ask-api.ts';

const MEGABYTE = 1024 * 1024;
const json = { 'content-type': 'application/json' };
const unknown = (count: number) =>
  `{${Array.from({ length: count }, (_, i) => `"u${i}":1`).join(',')}}`;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

const withPins = Array.from({ length: 20 }, () => {
  return { path: '/download/a', confirm: true, pin: '4711' };
});

afterEach(() => vi.restoreAllMocks());

test.each([
  ['unknown fields', `[{"path":"/download/a"},${unknown(90_000)}]`],
  ['nested arrays', nested(500_000)],
  ['nested objects', `[${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}]`],
  ['nested arrays of one request', `[{"path":${nested(500_000)}}]`],
  ['a list of addresses', `[{"path":"/download/a","ip":[${'"",'.repeat(300_000)}""]}]`],
  ['an array of numbers', `[${'1,'.repeat(500_000)}1]`],
])('issue: a megabyte of %s is rejected before it is parsed', async (_, body) => {
  const { ask } = createAsked();
  const parse = vi.spyOn(JSON, 'parse');
  const reply = await ask('POST /tokens/batch', { body, headers: json });
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } });
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  const [longest] = parse.mock.calls.map(([text]) => text.length).sort((a, b) => b - a);
  // The answer, which the test reads.
  expect(longest).toBeLessThan(10_000);
});

test('the name of an unknown field is cut off before it is escaped', async () => {
  const { ask } = createAsked();
  const name = `${'a'.repeat(63)}${'~'.repeat(32_000)}`;
  const reply = await ask('POST /tokens/batch', { json: [{ [name]: 1 }] });
  // Escaped first, the cut could be inside "~0".
  expect(reply.body.errors[0].pointer).toBe(`#/0/${'a'.repeat(63)}~0`);
});

test('issue: a batch is read only up to its fiftieth error', async () => {
  const { ask } = createAsked();
  const wrong = Array.from({ length: 100 }, () => '{"path":1}');
  const reply = await ask('POST /tokens/batch', { body: `[${wrong},no JSON]`, headers: json });
  expect(reply.status).toBe(400);
  expect(reply.body.errors).toHaveLength(50);
});

test('issue: a batch of 1000 requests with long texts is accepted', async () => {
  const { ask } = createAsked();
  const requests = Array.from({ length: 1000 }, (_, i) => ({
    path: `/download/${String(i).padEnd(291, 'p')}`,
    subject: String(i).padEnd(256, 's'),
    filename: String(i).padEnd(255, 'f'),
    expires_in: 3600,
    max_uses: 3,
    disposition: 'attachment',
  }));
  expect(JSON.stringify(requests).length).toBeGreaterThan(0.85 * MEGABYTE);
  expect((await ask('POST /tokens/batch', { json: requests })).status).toBe(201);
});

test.each([
  ['POST /tokens', 'application/json'],
  ['POST /introspect', 'application/x-www-form-urlencoded'],
  ['POST /revoke', 'application/x-www-form-urlencoded'],
  ['PATCH /tokens/AAAAAAAAAAAAAAAAAAAAAA', 'application/json'],
])('API: %s accepts a body of at most 32 KiB', async (line, type) => {
  const { ask } = createAsked();
  const headers = { 'content-type': type, 'content-length': String(32 * 1024 + 1) };
  const reply = await ask(line, { body: 'a'.repeat(32 * 1024 + 1), headers });
  expect(reply).toMatchObject({ status: 413, body: { code: 'content_too_large' } });
});

test.each([
  ['small', 10, 400],
  ['large', 40_000, 413],
])('issue: POST /tokens sends a %s array to /tokens/batch', async (_, count, status) => {
  const { ask } = createAsked();
  const body = `[${'{},'.repeat(count)}{}]`;
  const headers = { ...json, 'content-length': String(body.length) };
  const reply = await ask('POST /tokens', { body, headers });
  expect(reply.status).toBe(status);
  expect(reply.text).toContain('/tokens/batch');
});

test('issue: POST /tokens sends an array of unknown length to /tokens/batch', async () => {
  const { ask } = createAsked();
  const headers = { ...json, 'transfer-encoding': 'chunked' };
  const reply = await ask('POST /tokens', { body: `[${'{},'.repeat(20_000)}{}]`, headers });
  expect(reply).toMatchObject({ status: 413, body: { code: 'content_too_large' } });
  expect(reply.body.detail).toContain('/tokens/batch');
});

test('issue: an entry of a batch has at most 32 KiB, as the body of a single request', async () => {
  const { ask } = createAsked();
  const entry = (bytes: number) => `{"path":"/download/a"${' '.repeat(bytes - 22)}}`;
  const batch = (bytes: number) => `[{"path":"/download/b"},${entry(bytes)}]`;
  const most = 32 * 1024;
  const post = (body: string) => ask('POST /tokens/batch', { body, headers: json });
  expect((await post(batch(most))).status).toBe(201);
  const { status, body } = await post(batch(most + 1));
  const error = { pointer: '#/1', detail: `has more than ${most} bytes` };
  expect([status, body.errors]).toEqual([400, [error]]);
});

test('issue: no request waits for a batch that the store does not save', async () => {
  const memory = createMemoryStore();
  const issuing: Array<() => void> = [];
  const issue: typeof memory.issue = async (grants) => {
    if (grants.length > 1) await new Promise<void>((resolve) => issuing.push(resolve));
    await memory.issue(grants);
  };
  const { ask } = createAsked({ store: { ...memory, issue } });
  const batch = Array.from({ length: 20 }, (_, i) => ({ path: `/download/${i}` }));
  const batches = [1, 2].map(() => ask('POST /tokens/batch', { json: batch }));
  await expect.poll(() => issuing).toHaveLength(2);
  expect((await ask('POST /tokens', { json: { path: '/download/a' } })).status).toBe(201);
  expect((await ask('POST /tokens/batch', { json: [{ path: '/download/a' }] })).status).toBe(201);
  for (const resolve of issuing) resolve();
  expect((await Promise.all(batches)).map(({ status }) => status)).toEqual([201, 201]);
});

test('issue: the store saves a large batch in pieces, and a client gets no token if one fails', async () => {
  const memory = createMemoryStore();
  const pieces: number[] = [];
  const issue: typeof memory.issue = async (grants) => {
    pieces.push(grants.length);
    if (pieces.length === 3) throw new StoreUnavailable('lost');
    await memory.issue(grants);
  };
  const { ask } = createAsked({ store: { ...memory, issue } });
  const batch = Array.from({ length: 1000 }, (_, i) => ({ path: `/download/${i}` }));
  expect(await ask('POST /tokens/batch', { json: batch })).toMatchObject({
    status: 503,
    body: { code: 'unavailable' },
  });
  expect(pieces).toHaveLength(3);
  expect(Math.max(...pieces)).toBeLessThanOrEqual(26);
});

test('issue: no PIN is hashed for a client that has gone', async () => {
  const memory = createMemoryStore();
  const issue = vi.fn(memory.issue);
  const { api } = createPostern({ store: { ...memory, issue } });
  const socket = { destroyed: false };
  const env = { incoming: { socket } };
  const headers = { ...json, authorization: `Bearer ${KEY}` };
  const send = (line: string, body: unknown) =>
    api.request(line, { method: 'POST', headers, body: JSON.stringify(body) }, env);
  const batches = [1, 2].map(() => send('/tokens/batch', withPins));
  const asked = [send('/tokens', withPins[0]), ...batches];
  socket.destroyed = true;
  for (const { status } of await Promise.all(asked)) expect(status).toBe(400);
  expect(issue).not.toHaveBeenCalled();
});

test('issue: the lifetime of a token with a PIN begins after the PINs of its batch are hashed', async () => {
  const store = createMemoryStore();
  let hashed = 0;
  const issuedAt: number[] = [];
  const issue: typeof store.issue = async (entries) => {
    hashed = Date.now();
    issuedAt.push(...entries.map(([, grant]) => grant.issuedAt));
    await store.issue(entries);
  };
  const { ask } = createAsked({ store: { ...store, issue }, now: Date.now });
  const began = Date.now();
  expect((await ask('POST /tokens/batch', { json: withPins })).status).toBe(201);
  expect(issuedAt).toHaveLength(withPins.length);
  // Nearer to the end of the hashing than to its start.
  for (const at of issuedAt) expect(hashed - at).toBeLessThan(at - began);
});
