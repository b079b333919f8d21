import { expect, onTestFinished, test } from 'vitest';
import { createMemoryStore } from '../../service/store/memory.ts';
import { Unconfirmed } from '../../service/token/store.ts';
import { eventBody } from '../../service/webhooks/event.ts';
import { KEY, type PosternOptions } from '../support/postern.ts';
import { recorder } from '../webhooks/receiver.ts';
import { createAsked } from './ask-api.ts';

function started(options: PosternOptions = {}) {
  const { emit, events, taken } = recorder();
  const asked = createAsked({ ...options, emit });
  onTestFinished(() => asked.store.close());
  const headers = { 'x-request-id': 'request-1' };
  /** A body that is a text is a form. */
  function ask(line: string, body?: object | string) {
    if (typeof body !== 'string') return asked.ask(line, { headers, json: body });
    return asked.ask(line, { headers, form: [...new URLSearchParams(body)] });
  }
  return { ask, events, taken };
}

const CALLER = { client: 'test', request_id: 'request-1' };

test('events: issuing one token is one event with what it opens', async () => {
  const { ask, taken } = started();
  const { body } = await ask('POST /tokens', { path: '/download/a', subject: 'u', expires_in: 60 });
  const data = { token_id: body.id, expires_in: 60, subject: 'u', path: '/download/a', ...CALLER };
  expect(taken()).toEqual([{ type: 'token.issued', timestamp: expect.any(String), data }]);
});

test('events: a batch is one event for each hundred tokens, with their IDs', async () => {
  const { ask, taken } = started();
  const requests = Array.from({ length: 250 }, (_, i) => ({ path: `/download/${i}` }));
  const { body } = await ask('POST /tokens/batch', requests);
  const events = taken();
  expect(events.map(({ data }) => data.count)).toEqual([100, 100, 50]);
  const ids = events.flatMap(({ data }) => data.token_ids);
  expect(ids).toEqual(body.map(({ id }: { id: string }) => id));
  expect(events[0]?.data).toMatchObject(CALLER);
});

test('events: each way to revoke is token.revoked, unless there was no such token', async () => {
  const { ask, taken } = started();
  const issue = async () => (await ask('POST /tokens', { path: '/download/a', subject: 'u' })).body;
  const [one, two] = [await issue(), await issue(), await issue()];
  const last = await ask('POST /tokens', { path: '/download/b' });
  taken();
  await ask(`DELETE /tokens/${one.id}`);
  await ask('POST /revoke', `token=${two.access_token}`);
  await ask('DELETE /tokens?subject=u');
  await ask('DELETE /tokens?client=test');
  expect(last.status).toBe(201);
  expect(taken().map(({ type, data }) => [type, data])).toEqual([
    ['token.revoked', { by: 'id', token_id: one.id, ...CALLER }],
    ['token.revoked', { by: 'token', token_id: two.id, count: 1, ...CALLER }],
    ['token.revoked', { by: 'subject', subject: 'u', count: 1, ...CALLER }],
    ['token.revoked', { by: 'client', owner: 'test', count: 1, ...CALLER }],
  ]);
  await ask(`DELETE /tokens/${one.id}`);
  await ask('POST /revoke', `token=${two.access_token}`);
  await ask('DELETE /tokens?subject=u');
  expect(taken()).toEqual([]);
});

test('events: a revocation that replicas have not confirmed is an event', async () => {
  const revoke = () => Promise.reject(new Unconfirmed('0 of 1 replicas confirmed in time'));
  const { ask, taken } = started({ store: { ...createMemoryStore(), revoke } });
  const { body } = await ask('POST /tokens', { path: '/download/a' });
  taken();
  expect((await ask(`DELETE /tokens/${body.id}`)).status).toBe(503);
  expect(taken()).toMatchObject([{ type: 'token.revoked', data: { token_id: body.id } }]);
});

test('events: refused requests, and those that change nothing, are none', async () => {
  const { ask, taken } = started();
  const { body } = await ask('POST /tokens', { path: '/download/a', subject: 'u' });
  taken();
  await ask(`GET /tokens/${body.id}`);
  await ask('GET /tokens?subject=u');
  await ask(`PATCH /tokens/${body.id}`, { expires_in: 5 });
  await ask('POST /introspect', `token=${body.access_token}`);
  await ask('POST /tokens', { path: '/elsewhere/a' });
  await ask('POST /tokens', { path: '/download/a', pin: '1' });
  expect(taken()).toEqual([]);
});

test('events: no event contains a token, a key or a PIN', async () => {
  const { ask, events } = started();
  const first = (await ask('POST /tokens', { path: '/download/a' })).body.access_token;
  const pinned = { path: `/download/${first}`, confirm: true, pin: '909090' };
  const { body } = await ask('POST /tokens', { ...pinned, subject: first });
  await ask(`DELETE /tokens?subject=${first}`);
  await ask('POST /revoke', `token=${body.access_token}`);
  expect(events.length).toBeGreaterThan(2);
  for (const secret of [first.slice(3), body.access_token.slice(3), KEY, '909090']) {
    expect(JSON.stringify(events)).not.toContain(secret);
  }
});

test('events: an ID that looks like a piece of a token is shown, and the piece itself is not', () => {
  const [id, piece] = ['bH5bnvSps_uDFbl4OrpnaE', 'ps_uDFbl4OrpnaEx'];
  const data = { token_id: id, token_ids: [id], subject: piece };
  expect(JSON.parse(eventBody('token.revoked', 0, data)).data).toEqual({ ...data, subject: '***' });
});
