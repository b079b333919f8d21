import { expect, test } from 'vitest';
import { KEY } from '../support/postern.ts';
import { type Asking, createAsked, OTHER_KEY } from './ask-api.ts';

const MEGABYTE = 1024 * 1024;

/** The API, which also accepts bodies that do not end, and notes who got a response in which order. */
function createClients() {
  const asked = createAsked();
  const order: string[] = [];
  const ask = async (who: string, line: string, asking: Asking) => {
    const reply = await asked.ask(line, {
      key: who.startsWith('other') ? OTHER_KEY : KEY,
      ...asking,
    });
    order.push(`${who} ${reply.status}`);
    return reply;
  };
  return {
    order,
    ask,
    /** Sends the first bytes of a batch, and never the rest. */
    begin(bytes: number): Promise<Response> {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(bytes).fill(0x20)),
      });
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const sent = { method: 'POST', headers, body, duplex: 'half' } as const;
      return Promise.resolve(asked.api.request('/tokens/batch', sent));
    },
  };
}

const batch = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, i) => ({ path: `/download/${i}`, ...more }));

test('batches that have not arrived hold no place', async () => {
  const { ask, begin } = createClients();
  const begun = Array.from({ length: 600 }, () => begin(1));
  for (const who of ['same', 'other']) {
    const { status } = await ask(who, 'POST /tokens/batch', { json: batch(3) });
    expect(status).toBe(201);
  }
  expect(await Promise.race([...begun, 'none'])).toBe('none');
});

test('a client whose unfinished batches hold all memory loses the newest one to another client', async () => {
  const { ask, begin } = createClients();
  const refused: number[] = [];
  const begun = Array.from({ length: 33 }, async (_, i) => {
    const { status, headers } = await begin(MEGABYTE);
    refused.push(i);
    return { status, wait: headers.get('retry-after') };
  });
  await expect.poll(() => refused).toEqual([32]);
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  expect(refused).toEqual([32, 31]);
  for (const i of refused) expect(await begun[i]).toEqual({ status: 503, wait: '5' });
});

test('a client with one batch does not wait for the many batches of another one', async () => {
  const { ask, order } = createClients();
  const many = Array.from({ length: 40 }, () =>
    ask('many', 'POST /tokens/batch', { json: batch(1000) }),
  );
  const one = ask('other', 'POST /tokens/batch', { json: batch(1000) });
  const invalid = ask('other invalid', 'POST /tokens/batch', { json: batch(1000, { path: 1 }) });
  await Promise.all([one, invalid]);
  expect(order.filter((reply) => reply.startsWith('many')).length).toBeLessThanOrEqual(2);
  await Promise.all(many);
  // Nobody has to send a batch again.
  expect(order.filter((reply) => reply.endsWith('503'))).toEqual([]);
});

test('a token with a PIN waits for few PINs of other requests, of another client or of the same', async () => {
  const { ask, order } = createClients();
  const pin = { confirm: true, pin: '4711' };
  const single = (who: string) =>
    ask(who, 'POST /tokens', { json: { path: '/download/a', ...pin } });
  const large = ask('batch', 'POST /tokens/batch', { json: batch(30, pin) });
  const many = Array.from({ length: 10 }, () => single('many'));
  await expect.poll(() => order).toHaveLength(1);
  await single('other');
  expect(order.filter((reply) => reply.startsWith('many')).length).toBeLessThanOrEqual(3);
  await Promise.all(many);
  // The PINs of the batch alternate with the others, so that it is not the first to end.
  expect(order).not.toContain('batch 201');
  expect((await ask('other', 'POST /tokens/batch', { json: batch(3) })).status).toBe(201);
  expect(order).not.toContain('batch 201');
  expect((await large).status).toBe(201);
});
