import { expect, test } from 'vitest';
import { logDecision } from '../../service/gate/decision-log.ts';
import { StoreUnavailable } from '../../service/token/store.ts';
import { newToken } from '../../service/token/token.ts';
import { MAX_PIN_ATTEMPTS } from '../../service/token/uses.ts';
import { brokenStore, keptLog } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { linesOf, unescaped } from '../support/fixtures.ts';
import { issueToken } from '../support/postern.ts';
import { grantAt, newId } from '../support/store/grants.ts';

const level = { debug: 20, info: 30, error: 50 };

test('log: each decision is one line, at `debug` if it is allowed and takes no use', async () => {
  const { log, withoutAudit } = keptLog('debug');
  const { api, authRequest } = await startGate({ log });
  const { url, id } = await issueToken(api, { path: '/download/é', subject: 'user-42' });
  const about = { 'X-Request-ID': 'r-1', 'X-Real-IP': '192.0.2.7' };
  await authRequest(url, about);
  await authRequest(url.replace('?', 'x?'), about);

  const seen = { token_id: id, method: 'GET', site: 'files.example', address: '192.0.2.7' };
  expect(withoutAudit()).toMatchObject([
    { ...seen, level: level.debug, code: 'allow', subject: 'user-42', path: '/download/é' },
    { ...seen, level: level.info, code: 'insufficient_scope', path: '/download/éx' },
  ]);
  for (const line of withoutAudit()) {
    expect(line).toMatchObject({ request_id: 'r-1', msg: 'decision', ms: expect.any(Number) });
  }
});

test('log: for an allowed decision that is not logged, nothing is read or built', async () => {
  const headers = new Proxy({}, { get: () => expect.unreachable() });
  const grant = grantAt(Date.now(), { covers: '/download/' });
  const reply = { id: newId(), grant, path: '/download/a', target: '/', args: '', reuseFor: 0 };
  const decision = { allow: true, ...reply } as const;
  const { log, lines } = keptLog();
  logDecision(log, headers, decision, 1);
  expect(lines).toEqual([]);
  log.level = 'debug';
  expect(() => logDecision(log, headers, decision, 1)).toThrow();
});

const FROM = { 'X-Request-ID': 'r-1', 'X-Real-IP': '192.0.2.7' };

test('audit: the wrong PIN that revokes a token is one line, without PIN and token', async () => {
  const { log, parsed, lines } = keptLog();
  const { api, confirm, store } = await startGate({ log });
  const pinned = { confirm: true, pin: '12345678', subject: 'ada' };
  const issued = await issueToken(api, { path: '/download/é', ...pinned });
  const { url, id, access_token: token } = issued;
  for (let i = 2; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
  const revocations = () => parsed().filter(({ action }) => action === 'token.revoked');
  await confirm(url, FROM, 'pin=87654321');
  expect(revocations()).toEqual([]);
  for (let i = 0; i < 3; i += 1) await confirm(url, FROM, 'pin=87654321');
  expect(revocations()).toEqual([
    {
      ...{ level: level.info, time: expect.any(Number), msg: 'audit' },
      ...{ action: 'token.revoked', by: 'pin', client: 'test', token_id: id },
      ...{ subject: 'ada', path: '/download/é', request_id: 'r-1', address: '192.0.2.7' },
    },
  ]);
  for (const secret of ['12345678', '87654321', token])
    expect(lines.join('')).not.toContain(secret);
});

test('audit: a PIN that comes after the last attempt of another instance ends the token with a line', async () => {
  const { log, parsed } = keptLog();
  const { api, confirm, store } = await startGate({ log });
  const { url, id } = await issueToken(api, { prefix: '/download/', confirm: true, pin: '1234' });
  for (let i = 0; i < MAX_PIN_ATTEMPTS; i += 1) await store.countAttempt(id, MAX_PIN_ATTEMPTS);
  for (let i = 0; i < 2; i += 1) await confirm(`${url}a`, FROM, 'pin=1234');
  expect(parsed().filter(({ action }) => action === 'token.revoked')).toMatchObject([
    { by: 'pin', token_id: id, prefix: '/download/' },
  ]);
});

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('log: only a traceparent of the right form is logged', async () => {
  const { log, parsed } = keptLog();
  const { authRequest, xAccel } = await startGate({ log });
  for (const ask of [authRequest, xAccel]) await ask('/download/a', { traceparent: TRACE });
  for (const traceparent of [
    ...[TRACE.toUpperCase(), TRACE.replace('00-', '01-'), TRACE.replace('00-', 'ff-')],
    ...[`${TRACE}-more`, ` ${TRACE} x`, `${TRACE}, ${TRACE}`, TRACE.slice(0, -1), [TRACE, TRACE]],
    TRACE.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
    ...[TRACE.replace('00f067aa0ba902b7', '0'.repeat(16)), `ps_${'a'.repeat(32)}`, '"}'],
  ]) {
    await authRequest('/download/a', { traceparent });
  }
  const [first, second, ...others] = parsed().map((line) => line.traceparent);
  expect([first, second]).toEqual([TRACE, TRACE]);
  expect(others).toEqual(Array(12).fill(undefined));
});

test('log: a denial, and the request that takes a use, have the subject of the token and the requester', async () => {
  const { log, withoutAudit } = keptLog();
  const { api, authRequest } = await startGate({ log });
  const counted = { path: '/download/a', subject: 'user-42', max_uses: 1 };
  const { url } = await issueToken(api, counted);
  const from = (address: string, more = {}) => ({ 'X-Real-IP': address, ...more });
  await authRequest(url.replace('?', 'x?'), from('192.0.2.1'));
  await authRequest(url, from('192.0.2.1', { 'Sec-Purpose': 'prefetch' }));
  for (let i = 0; i < 2; i += 1) await authRequest(url, from('192.0.2.1'));
  log.level = 'debug';
  await authRequest(url, from('192.0.2.1'));
  await authRequest(url, from('192.0.2.2'));
  await authRequest(`/download/a?token=${newToken()}`);
  const seen = withoutAudit().map(({ code, subject, requester }) => [code, subject, requester]);
  expect(seen).toEqual([
    ['insufficient_scope', 'user-42', undefined],
    ['prefetch', 'user-42', undefined],
    ['allow', 'user-42', 'new'],
    ['allow', 'user-42', 'known'],
    ['invalid_token', 'user-42', 'refused'],
    ['invalid_token', undefined, undefined],
  ]);
});

test.each(['authRequest', 'xAccel'] as const)(
  'log: only the log has an error of the store: %s',
  async (mode) => {
    const failing = async (error: Error) => {
      const { log, withoutAudit } = keptLog();
      const { [mode]: ask } = await startGate({ log, store: brokenStore(error) });
      const { status, headers, body } = await ask(`/download/a?token=${newToken()}`);
      expect([status, headers['postern-reason'], body]).toEqual([503, 'unavailable', '']);
      expect(headers['x-accel-expires']).toBe('0');
      return withoutAudit()[0];
    };
    const late = await failing(new StoreUnavailable('Command timed out'));
    const known = { level: level.error, code: 'unavailable', reason: 'Command timed out' };
    expect(late).toMatchObject(known);
    expect(late.err).toBeUndefined();
    // An unexpected error has a stack.
    const unexpected = { level: level.error, err: { type: 'TypeError' } };
    expect(await failing(new TypeError('a mistake'))).toMatchObject(unexpected);
  },
);

test('log: no line of a decision contains a token', async () => {
  const { log, lines } = keptLog('debug');
  const { api, authRequest, xAccel } = await startGate({ log });
  const folder = { prefix: '/download/', subject: newToken() };
  const { url, access_token: token } = await issueToken(api, folder);
  const uris = [`${url}a`, `/download/a?token=${token}`, `/download/a/~${token}/b`, `/~${token}/a`];
  for (const line of [...uris, ...linesOf('hostile-uris.txt')]) {
    const uri = unescaped(line).replaceAll('TOKEN', token);
    for (const ask of [authRequest, xAccel]) {
      // Node's client sends no control bytes.
      await ask(uri.replace(/\p{Cc}/gu, ''), {
        Authorization: `Bearer ${token}`,
        'Postern-Cookie': token,
      });
    }
  }
  expect(lines.length).toBeGreaterThan(2 * uris.length);
  for (const secret of [token, folder.subject]) {
    expect(lines.join('')).not.toContain(secret.slice(3, 20));
  }
});
