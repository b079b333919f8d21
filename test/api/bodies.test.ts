import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { parseJson, splitArray } from '../../service/api/body.ts';
import { createMemoryStore } from '../../service/store/memory.ts';
import { RequestError } from '../../service/token/request-error.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { createAsked, keptLog } from '../support/ask-api.ts';
import { forTest } from '../support/for-test.ts';
import { apiListener, createPostern, KEY, listening } from '../support/postern.ts';
import { runs } from '../support/runs.ts';

const split = (text: string, max: number) => [...splitArray(Buffer.from(text), max)];

/** The elements of a text after splitting, as one value. */
const joined = (text: string): unknown => split(text, 1000).map((element) => parseJson(element));

/** The value; undefined for a text that is rejected. */
function outcome(read: (text: string) => unknown, text: string): { readonly value?: unknown } {
  try {
    return { value: read(text) };
  } catch (error) {
    if (error instanceof RequestError || error instanceof SyntaxError) return {};
    throw error;
  }
}

const jsonText = fc
  .array(fc.jsonValue({ maxDepth: 3 }), { minLength: 1, maxLength: 5 })
  .map((values) => JSON.stringify(values));

test('JSON: splitting an array gives the same values as JSON.parse', () => {
  const broken = fc
    .tuple(jsonText, fc.nat(), fc.constantFrom(...'[]{}",:\\ \n\u00a01a'), fc.nat({ max: 2 }))
    .map(([text, at, put, without]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + without);
    });
  fc.assert(
    fc.property(fc.oneof(jsonText, broken), (text) => {
      const parsed = outcome(JSON.parse, text);
      const [first] = Array.isArray(parsed.value) ? parsed.value : [];
      // Of all valid texts, only arrays with an element are accepted.
      const expected = first === undefined ? {} : parsed;
      expect(outcome(joined, text)).toEqual(expected);
    }),
    { numRuns: runs(3000) },
  );
});

test.each([
  ...['[1}', '[{]}', '[{"a":[}]', '[1] 2', '[1],[2]', '[1,]', '[,1]', '[1', '["\\"]', '[1]\u00a0'],
  ...['\ufeff[1]', ']', '', '{}', '1', '"[1]"', '[]'],
])('JSON: %j is rejected', (text) => {
  expect(() => joined(text)).toThrow(RequestError);
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const listOf = (length: number) => JSON.stringify(Array.from({ length }, () => 1));

// Whole values: a text that ends too early is rejected without these bounds, too.
test.each([
  ['is nested more than 8 deep', nested(7), nested(8)],
  ['has more than 96 fields and list entries', listOf(96), listOf(97)],
])('JSON: a request that %s is rejected', (detail, most, more) => {
  const put = (value: string) => `[{},{"ip":${value}},{}]`;
  expect(joined(put(most))).toEqual(JSON.parse(put(most)));
  const errors = [{ pointer: '/1', detail }];
  expect(() => joined(put(more))).toThrow(expect.objectContaining({ errors }));
});

const KIB = 1024;
const json = { 'content-type': 'application/json' };
const CHUNKED = { 'transfer-encoding': 'chunked' };
const unknown = (count: number) =>
  `{${Array.from({ length: count }, (_, i) => `"u${i}":1`).join(',')}}`;

afterEach(() => vi.restoreAllMocks());

test.each([
  ['/tokens/batch', 'unknown fields', `[{"path":"/download/a"},${unknown(12_000)}]`],
  ['/tokens/batch', 'nested arrays', nested(60_000)],
  ['/tokens/batch', 'nested objects', `[${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}]`],
  ['/tokens/batch', 'nested arrays of one request', `[{"path":${nested(60_000)}}]`],
  ['/tokens/batch', 'addresses', `[{"path":"/download/a","ip":[${'"",'.repeat(40_000)}""]}]`],
  ['/tokens/batch', 'numbers', `[${'1,'.repeat(60_000)}1]`],
  ['/tokens', 'unknown fields', unknown(1500)],
  ['/tokens', 'nested objects', `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`],
  ['/tokens', 'requests', `[${'{},'.repeat(5000)}{}]`],
])('issue: a body of %s with too many %s is rejected, not parsed', async (path, _, body) => {
  const { ask } = createAsked();
  const parse = vi.spyOn(JSON, 'parse');
  const reply = await ask(`POST ${path}`, { body, headers: json });
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request', status: 400 } });
  expect(reply.headers.get('content-type')).toBe('application/problem+json');
  const [longest] = parse.mock.calls.map(([text]) => text.length).sort((a, b) => b - a);
  // The answer, which the test reads.
  expect(longest).toBeLessThan(10_000);
});

test('the name of an unknown field is cut off before it is escaped', async () => {
  const { ask } = createAsked();
  const name = `${'a'.repeat(63)}${'~'.repeat(16_000)}`;
  const reply = await ask('POST /tokens/batch', { json: [{ [name]: 1 }] });
  // Escaped first, the cut could be inside "~0".
  expect(reply.body.errors[0].pointer).toBe(`#/0/${'a'.repeat(63)}~0`);
});

test('issue: a batch is read only up to its twentieth error', async () => {
  const { ask } = createAsked();
  const wrong = Array.from({ length: 99 }, () => '{"path":1}');
  const reply = await ask('POST /tokens/batch', { body: `[${wrong},no JSON]`, headers: json });
  expect(reply.status).toBe(400);
  expect(reply.body.errors).toHaveLength(20);
});

test.each([
  ['with its length', false],
  ['in chunks', true],
])('API: a batch of 128 KiB %s is accepted, and one more byte is not', async (_, isChunked) => {
  const { log, withoutAudit } = keptLog();
  const { port } = await forTest(listening(apiListener(createPostern({ log }).api)));
  const headers = { authorization: `Bearer ${KEY}`, ...json };
  const post = (bytes: number) => {
    const body = new Blob(['[{"path":"/download/a"}]'.padEnd(bytes)]);
    const sent = {
      method: 'POST',
      headers,
      body: isChunked ? body.stream() : body,
      duplex: 'half',
    };
    return fetch(`http://127.0.0.1:${port}/tokens/batch`, sent as RequestInit);
  };
  expect((await post(128 * KIB)).status).toBe(201);
  const refused = await post(128 * KIB + 1);
  expect([refused.status, refused.headers.get('cache-control')]).toEqual([413, 'no-store']);
  expect(await refused.json()).toMatchObject({ status: 413, code: 'content_too_large' });
  expect(withoutAudit()).toEqual([]);
});

test('issue: a batch of 100 requests with long texts is accepted, and one of 101 is not', async () => {
  const { ask } = createAsked();
  const requests = Array.from({ length: 101 }, (_, i) => ({
    path: `/download/${String(i).padEnd(291, 'p')}`,
    ...{ subject: String(i).padEnd(256, 's'), filename: String(i).padEnd(255, 'f') },
    ...{ expires_in: 3600, max_uses: 3, disposition: 'attachment' },
  }));
  expect((await ask('POST /tokens/batch', { json: requests.slice(1) })).status).toBe(201);
  const { status, text } = await ask('POST /tokens/batch', { json: requests });
  expect([status, text]).toEqual([400, expect.stringContaining('an array of 1 to 100 requests')]);
});

const FORM = 'application/x-www-form-urlencoded';

test.each([
  ['POST /tokens', 16, 'application/json'],
  ['PATCH /tokens/AAAAAAAAAAAAAAAAAAAAAA', 16, 'application/json'],
  ['POST /introspect', 6, FORM],
  ['POST /revoke', 6, FORM],
])('API: %s accepts a body of at most %i KiB, also in chunks', async (line, kib, type) => {
  const { ask } = createAsked();
  const body = 'a'.repeat(kib * KIB + 1);
  for (const headers of [{ 'content-length': `${body.length}` }, CHUNKED]) {
    const reply = await ask(line, { body, headers: { 'content-type': type, ...headers } });
    expect(reply).toMatchObject({ status: 413, body: { code: 'content_too_large' } });
  }
});

test('OAuth: a form of 6 KiB is read, and a longer one is rejected before the client is authenticated', async () => {
  const { ask } = createAsked();
  const post = (bytes: number, client_secret: string) => {
    const form = new URLSearchParams({ client_id: 'test', client_secret, token: 'x', more: '' });
    const body = `${form}`.padEnd(bytes, 'a');
    const headers = { 'content-type': FORM, 'content-length': `${bytes}` };
    return ask('POST /introspect', { key: '', body, headers });
  };
  expect((await post(6 * KIB, KEY)).status).toBe(200);
  expect((await post(6 * KIB + 1, 'wrong')).status).toBe(413);
});

test('OAuth: a form with more than 32 fields is rejected before it is parsed', async () => {
  const { ask } = createAsked();
  const body = `token=x${'&a'.repeat(32)}`;
  const reply = await ask('POST /introspect', { key: '', body, headers: { 'content-type': FORM } });
  expect(reply).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
});

test.each([
  ['small', 10, 400, {}],
  ['large', 40_000, 413, {}],
  ['chunked', 20_000, 413, CHUNKED],
])('issue: POST /tokens sends a %s array to /tokens/batch', async (_, count, status, more) => {
  const { ask } = createAsked();
  const body = `[${'{},'.repeat(count)}{}]`;
  const length = more === CHUNKED ? more : { 'content-length': String(body.length) };
  const reply = await ask('POST /tokens', { body, headers: { ...json, ...length } });
  expect(reply.status).toBe(status);
  expect(reply.text).toContain('/tokens/batch');
});

test('issue: an entry of a batch has at most 16 KiB, as the body of a single request', async () => {
  const { ask } = createAsked();
  const entry = (bytes: number) => `{"path":"/download/a"${' '.repeat(bytes - 22)}}`;
  const batch = (bytes: number) => `[{"path":"/download/b"},${entry(bytes)}]`;
  const most = 16 * KIB;
  const post = (body: string) => ask('POST /tokens/batch', { body, headers: json });
  expect((await post(batch(most))).status).toBe(201);
  const { status, body } = await post(batch(most + 1));
  const error = { pointer: '#/1', detail: `has more than ${most} bytes` };
  expect([status, body.errors]).toEqual([400, [error]]);
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
  const batch = Array.from({ length: 100 }, (_, i) => ({ path: `/download/${i}` }));
  expect((await ask('POST /tokens/batch', { json: batch })).status).toBe(503);
  expect(pieces).toHaveLength(3);
  expect(Math.max(...pieces)).toBeLessThanOrEqual(26);
});
