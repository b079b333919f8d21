import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withoutTokens } from '../../service/domain/without-tokens.ts';
import { logDecision } from '../../service/gate/report.ts';
import { keptLog } from '../api/ask-api.ts';
import { shows, uriWithTokens } from '../support/encoded-tokens.ts';
import { mount } from '../support/postern.ts';
import { createDecider } from './decider.ts';

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
