import fc from 'fast-check';
import { expect, test } from 'vitest';
import { logDecision } from '../../service/gate/report.ts';
import { newToken } from '../../service/token/token.ts';
import { withoutTokens } from '../../service/token/without-tokens.ts';
import { keptLog } from '../api/ask-api.ts';
import { createDecider } from '../decide/decider.ts';
import { shows, uriWithTokens } from '../support/encoded-tokens.ts';
import { mount } from '../support/postern.ts';

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
    { numRuns: 1000 },
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
    expect(withoutTokens(`/a/${token}`)).toBe('/a/***');
  }
});

test('Postern-Return and the decision log: no token can be decoded from them', async () => {
  let returned = 0;
  await fc.assert(
    fc.asyncProperty(uriWithTokens, async ({ uri, tokens }) => {
      const decision = await authorize(uri);
      if (decision.allow) expect.unreachable();
      if (decision.returnUrl !== undefined) {
        returned += 1;
        expect(shows(decision.returnUrl, tokens)).toBe(false);
      }
      const { log, lines } = keptLog();
      logDecision(log, {}, decision, 1);
      expect(shows(lines.join(''), tokens)).toBe(false);
    }),
    { numRuns: 1000 },
  );
  expect(returned).toBeGreaterThan(50);
});
