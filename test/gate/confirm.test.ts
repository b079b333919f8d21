import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { keptLog } from '../support/ask-api.ts';
import { startGate } from '../support/ask-gate.ts';
import { issueToken } from '../support/postern.ts';

const path = '/download/a.pdf';
const MARKER = 'postern_confirmed=1';
const about = (uri: string) => ({
  'X-Original-URI': uri,
  'X-Original-Method': 'POST',
  'Postern-Site': 'files.example',
  'Postern-Host': 'files.example',
  'X-Real-IP': '192.0.2.1',
});

async function started(more: object = {}) {
  const gate = await startGate();
  const { url, id } = await issueToken(gate.api, { path, confirm: true, ...more });
  return { ...gate, url, id };
}

describe('confirm: POST /confirm', () => {
  test('answers 303 to the same URI and a marker, with the cookie and without a target', async () => {
    const { confirm, url, id } = await started({ subject: 'é' });
    const { status, headers, body } = await confirm(url);
    expect([status, body]).toEqual([303, '']);
    expect(headers).toMatchObject({
      location: `${url}&${MARKER}`,
      'postern-reason': 'confirmed',
      'postern-token-id': id,
      'postern-subject': '%C3%A9',
      'set-cookie': [expect.stringMatching(/^postern_resume=/)],
      'cache-control': 'no-store',
    });
    expect(Object.keys(headers).filter((name) => /target|redirect/.test(name))).toEqual([]);
  });

  test('adds the marker once, and only for a requester that gets a cookie', async () => {
    const { confirm, api, url } = await started();
    const inPath = (await issueToken(api, { prefix: '/download/', confirm: true })).url;
    expect((await confirm(`${inPath}a`)).headers.location).toBe(`${inPath}a?${MARKER}`);
    const marked = `${url}&${MARKER}`;
    const { headers } = await confirm(marked);
    expect([headers.location, headers['set-cookie']?.length]).toEqual([marked, 1]);
    const cookie = /postern_resume=([\w-]+)/.exec(String(headers['set-cookie']))?.[1] ?? '';
    const known = await confirm(url, { 'Postern-Resume': cookie });
    expect([known.headers.location, known.headers['set-cookie']]).toEqual([url, undefined]);
  });

  test('the marker changes no decision: the page explains, and the log warns once', async () => {
    const { log, lines, parsed } = keptLog('warn');
    const { authRequest, xAccel, confirm, api } = await startGate({ log });
    const { url } = await issueToken(api, { path, confirm: true, pin: '47114711' });
    const reason = ({ headers }: { headers: Record<string, unknown> }) => headers['postern-reason'];
    // An unknown token has no page that asks, and a token without `confirm` opens.
    for (const token of [`ps_${'x'.repeat(32)}`, 'x']) {
      const unknown = await authRequest(`${path}?token=${token}&${MARKER}`);
      expect([unknown.status, unknown.headers['postern-file']]).toEqual([401, undefined]);
    }
    const open = await issueToken(api, { path });
    expect((await authRequest(`${open.url}&${MARKER}`)).status).toBe(204);
    expect(lines).toEqual([]);
    for (const ask of [authRequest, xAccel]) {
      const plain = await ask(url);
      const marked = await ask(`${url}&${MARKER}`);
      expect([marked.status, reason(marked)]).toEqual([plain.status, reason(plain)]);
      expect(marked.headers['postern-file']).toBe(`${plain.headers['postern-file']} unkept`);
      const others = [`${url}&${MARKER}0`, `${url}&x=${MARKER}`, `${url}&postern_confirmed=2`];
      for (const other of others) {
        expect((await ask(other)).headers['postern-file']).toBe(plain.headers['postern-file']);
      }
    }
    // A wrong PIN has its own text.
    const wrong = await confirm(`${url}&${MARKER}`);
    expect(String(wrong.headers['postern-file'])).not.toContain('unkept');
    const msg = expect.stringMatching(/^a browser did not keep the cookie/);
    expect(parsed()).toMatchObject([{ msg }]);
    expect(lines.join('')).not.toMatch(/ps_|47114711|\/download\//);
  });

  test('encodes raw bytes in the Location, and leads to no other host', async () => {
    const { confirm, api } = await started();
    const { access_token: token } = await issueToken(api, { prefix: '/download/', confirm: true });
    const raw = Buffer.from('/download/é "x".pdf').toString('latin1').replaceAll(' ', '%20');
    const { headers } = await confirm(`${raw}?token=${token}`);
    expect(headers.location).toBe(`/download/%c3%a9%20"x".pdf?token=${token}&${MARKER}`);
    const paths = ['//evil.example/download/a', '/\\evil.example/download/a'];
    for (const evil of [...paths, 'https://evil.example/']) {
      const denied = await confirm(`${evil}?token=${token}`);
      expect([denied.status, denied.headers.location]).toEqual([403, undefined]);
    }
  });

  test('is for a POST only: no other method of the client confirms, and neither does another route', async () => {
    const { ask, confirm, url, id, store } = await started();
    for (const method of ['GET', 'HEAD', 'PUT', 'post', 'POST, POST', '']) {
      expect((await confirm(url, { 'X-Original-Method': method })).status).toBe(405);
    }
    for (const route of ['/auth-request', '/x-accel']) {
      expect((await ask(route, about(url))).headers['postern-reason']).toBe('insufficient_scope');
      expect((await ask(route, about(url), 'POST')).status).toBe(405);
    }
    expect((await ask('/confirm', about(url))).status).toBe(404);
    expect((await store.requesters(id)).total).toBe(0);
  });

  test('a body above 1 KiB gets 413, and is not read', async () => {
    const { confirm, url, id, store } = await started();
    expect((await confirm(url, { 'Content-Length': '10737418240' })).status).toBe(413);
    expect((await store.requesters(id)).total).toBe(0);
  });

  test('a connection that is closed within the body does not stop the gate', async () => {
    const { port, confirm, url } = await started();
    const head = 'POST /confirm HTTP/1.1\r\nHost: a\r\nContent-Length: 10';
    const socket = connect(port, '127.0.0.1').end(`${head}\r\n\r\npin`).resume();
    await once(socket, 'close');
    expect((await confirm(url)).status).toBe(303);
  });

  test('a denial has no body, and the file name percent-encoded', async () => {
    const filename = `"><img onerror=x>'&\u202egpj\u2066\u200f\u{1f600}`;
    const more = { size: 1500, sender: 'é =&' };
    const { confirm, authRequest, xAccel, url } = await started({ pin: '1234', filename, ...more });
    for (const answer of [await confirm(url), await authRequest(url), await xAccel(url)]) {
      expect([answer.status, answer.headers['postern-reason']]).toEqual([401, 'pin_required']);
      const [until, file = '', ...words] = String(answer.headers['postern-file']).split(' ');
      expect(words).toEqual(['size=1500', 'sender=%C3%A9%20%3D%26']);
      expect(file).toMatch(/^[\w%'.-]+$/);
      expect(decodeURIComponent(file)).toBe(filename);
      expect(until).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    }
    expect((await confirm(url)).body).toBe('');
  });

  test('a path with control characters cannot add a header, and a long name is cut', async () => {
    const { xAccel, api } = await started();
    const { access_token: token } = await issueToken(api, { prefix: '/download/', confirm: true });
    const injected = await xAccel(`/download/a%0d%0aX-Evil:%201/?token=${token}`);
    expect(injected.headers).not.toHaveProperty('x-evil');
    const long = `/download/${'"'.repeat(1000)}`;
    const { url } = await issueToken(api, { path: long, confirm: true });
    const [, file = ''] = String((await xAccel(url)).headers['postern-file']).split(' ');
    expect(decodeURIComponent(file)).toBe(`${'"'.repeat(254)}…`);
  });

  test('a wrong PIN is in no header, log or metric, and a form with two PINs has none', async () => {
    const { log, lines } = keptLog('debug');
    const { api, confirm } = await startGate({ log });
    const { url } = await issueToken(api, { path, confirm: true, pin: '48151623' });
    const { headers } = await confirm(url, {}, 'pin=48151624');
    const metrics = await (await api.request('/metrics')).text();
    expect(headers['postern-file']).toMatch(/ a\.pdf left=9$/);
    const all = JSON.stringify([lines, headers, metrics]);
    expect(all).toContain('pin_wrong');
    expect(all).not.toContain('4815162');
    const two = await confirm(url, {}, 'pin=48151623&pin=48151623');
    expect(two.headers['postern-reason']).toBe('pin_required');
  });
});
