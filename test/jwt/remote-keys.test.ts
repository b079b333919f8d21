import { describe, expect, test } from 'vitest';
import { keptLog } from '../api/ask-api.ts';
import { type endpoint, foreigner, from, newJwk, publicHalf, START, uri } from './issuers.ts';
import { signedGate, trustingRemote } from './signed.ts';

describe('jwks_uri: an endpoint that answers 200 without keys', () => {
  test.each<[string, Parameters<typeof endpoint>[0]]>([
    ['a page', (response) => response.end('<!doctype html><title>Maintenance</title>')],
    ['no key set', (response) => response.end('{"error":"maintenance"}')],
    ['204', (response) => response.writeHead(204).end()],
    ['a body that never ends', (response) => void response.writeHead(200).write('{"keys":[')],
  ])('%s: counts as unavailable and is logged', async (_, answer) => {
    const { app, codeOf, failures } = await trustingRemote({}, answer);
    expect([await codeOf(uri(await app.sign())), failures.length]).toEqual(['unavailable', 1]);
  });

  test('a response without an end is not read completely', async () => {
    let sent = 0;
    const { app, codeOf } = await trustingRemote({}, (response) => {
      response.writeHead(200);
      const spaces = Buffer.alloc(1 << 20, ' ');
      const more = () => {
        while (!response.destroyed && sent < 400 << 20) {
          sent += spaces.length;
          if (!response.write(spaces)) return response.once('drain', more);
        }
      };
      more();
    });
    await codeOf(uri(await app.sign()));
    expect(sent).toBeLessThan(32 << 20);
  });
});

test('jwks_uri: a key that was removed is not accepted', async () => {
  const { jwks, app, codeOf, clock } = await trustingRemote();
  expect(await codeOf(uri(await app.sign()))).toBe('allow');
  // The key leaked, and the issuer withdrew it. No request came until the attacker's, hours later.
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  clock.now += 86_400_000;
  const forged = await app.sign({ iat: START + 86_400, exp: START + 86_500 });
  expect(await codeOf(uri(forged), from('192.0.2.66'))).toBe('invalid_token');
});

test('jwks_uri: after the clock is set back, keys are fetched at once', async () => {
  const { jwks, app, codeOf, clock } = await trustingRemote();
  const early = { iat: START - 3600, exp: START - 3000 };
  jwks.state.status = 500;
  expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
  clock.now -= 3_600_000;
  jwks.state.status = 200;
  jwks.state.keys = [publicHalf(app.jwk)];
  const token = await app.sign(early);
  expect(await codeOf(uri(token))).toBe('allow');

  // A verified token is not remembered for longer, either.
  clock.now -= 1000;
  jwks.state.keys = [publicHalf(await newJwk('EdDSA', 'app 2'))];
  expect(await codeOf(uri(token), from('192.0.2.66'))).toBe('invalid_token');
});

test('jwks_uri: the reason of a failure is logged without a secret in the URL', async () => {
  const app = await foreigner('app', { keys: { uri: 'http://127.0.0.1:9/jwks?key=secret' } });
  const { log, lines } = keptLog('error');
  const { codeOf, failures } = await signedGate({ issuers: [app.issuer], log });
  expect(await codeOf(uri(await app.sign()))).toBe('unavailable');
  expect(failures.join()).toMatch(/ECONNREFUSED|bad port/);
  expect(lines.join()).not.toContain('secret');
});
