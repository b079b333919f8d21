import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isUsed } from '../../service/decide/decision.ts';
import { logDecision } from '../../service/gate/decision-log.ts';
import { newToken } from '../../service/token/token.ts';
import { withoutTokens } from '../../service/token/without-tokens.ts';
import { keptLog } from '../support/ask-api.ts';
import { createDecider } from '../support/decider.ts';
import { shows, uriWithTokens } from '../support/encoded-tokens.ts';
import { mount } from '../support/postern.ts';
import { runs } from '../support/runs.ts';

const { authorize } = createDecider({
  mounts: [
    mount('/download/', '/protected/'),
    mount('/logs/', '/internal/', { pathArgument: 'file' }),
  ],
});

test('withoutTokens: no token can be decoded from what it returns', () => {
  fc.assert(
    fc.property(uriWithTokens, ({ uri, tokens }) => {
      expect(shows(uri, tokens)).toBe(true);
      expect(shows(withoutTokens(uri), tokens)).toBe(false);
    }),
    { numRuns: runs(1000) },
  );
});

test('withoutTokens: a token with a line break in it is replaced', () => {
  for (const line of ['%0A', '%0D%0A', '%250D%250A']) {
    expect(withoutTokens(`/a/ps_${'a'.repeat(16)}${line}${'b'.repeat(16)}`)).toBe('/a/***');
  }
});

test('withoutTokens: a token that is broken anywhere is replaced, and names of files stay', () => {
  const body = newToken().slice(3);
  for (const text of ['%20', '+', '.', '%2B', '%E2%80%8B', '\u200b', '%C2%AD', '\u00ad', '%252B']) {
    for (let at = 1; at < body.length; at += 1) {
      const found = withoutTokens(`/a/ps_${body.slice(0, at)}${text}${body.slice(at)}`);
      expect([text, at, found]).toEqual([text, at, '/a/***']);
    }
  }
  expect(withoutTokens(`/a/ps_${body.slice(0, 5)} ${body.slice(5)}`)).toBe('***');
  for (const name of ['ps_assets_and_more.zip', 'ps_2.ps_Report of 2026.ps_notes_of_all']) {
    expect(withoutTokens(name)).toBe(name);
  }
});

test('withoutTokens: a text is replaced if it is encoded more often than a link can be', () => {
  let token = `%70%73%5F${'%61'.repeat(32)}`;
  for (let times = 1; times < 10; times += 1, token = encodeURIComponent(token)) {
    // Encoded twice or more, it has so many %25 that it is not decoded.
    expect(withoutTokens(`/a/${token}`)).toBe(times > 1 ? '***' : '/a/***');
  }
  const deep = (times: number) => `/a/%${'25'.repeat(times)}70s_${'a'.repeat(32)}`;
  expect([deep(3), deep(6)].map(withoutTokens)).toEqual(['/a/***', '***']);
});

test('withoutTokens: a long text is cut off, also inside a token', () => {
  expect(withoutTokens('a'.repeat(1024))).toBe('a'.repeat(1024));
  expect(withoutTokens('a'.repeat(1025))).toBe(`${'a'.repeat(1024)}…`);
  const token = newToken();
  const encoded = [...token].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
  const jwt = `eyJhbGciOiJFUzI1NiJ9abc.eyJzdWIiOiJ1c2VyIn0x.${'s'.repeat(43)}`;
  for (const secret of [token, encoded, encoded.slice(0, 30).replaceAll('%', '%25'), jwt]) {
    for (let at = 1024 - secret.length; at <= 1024; at += 1) {
      const found = withoutTokens(`${'/'.repeat(at)}${secret}${'/'.repeat(20)}`);
      // The three characters that all tokens begin with are not secret, nor is the header of a JWT.
      const shown = decodeURIComponent(decodeURIComponent(found.slice(at, -1)));
      const bare = secret === jwt ? /^(\*\*\*|e|ey[^.]*\.?(e|ey[^.]*)?)?$/ : /^(\*\*\*\/*|p?s?)$/;
      expect(shown).toMatch(bare);
    }
  }
});

test('withoutTokens: a text with more than 32 encoded percent signs is not decoded', () => {
  const text = (count: number) => `/a/${'%2541'.repeat(count)}`;
  expect(withoutTokens(text(32))).toBe(text(32));
  expect(withoutTokens(text(33))).toBe('***');
});

test('Postern-Return and the decision log: no token can be decoded from them', async () => {
  let returned = 0;
  await fc.assert(
    fc.asyncProperty(uriWithTokens, async ({ uri, tokens }) => {
      const decision = await authorize(uri);
      if (isUsed(decision)) expect.unreachable();
      if (decision.returnUrl !== undefined) {
        returned += 1;
        expect(shows(decision.returnUrl, tokens)).toBe(false);
      }
      const { log, lines } = keptLog();
      logDecision(log, {}, decision, 1);
      expect(shows(lines.join(''), tokens)).toBe(false);
    }),
    { numRuns: runs(1000) },
  );
  expect(returned).toBeGreaterThan(runs(50));
});
