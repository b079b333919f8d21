import { Counter, type Registry } from 'prom-client';
import type { Format, Issue } from '../domain/issue.ts';
import { isOpaque } from '../domain/token.ts';
import { countsBy } from './counts.ts';

export interface TokenRecorder {
  issued(format: Format): void;
  /** A use was taken. */
  redeemed(): void;
  revoked(count: number): void;
}

const FORMATS: readonly Format[] = ['opaque', 'jwt'];

export function tokenRecorder(registry: Registry): TokenRecorder {
  const issued = countsBy(
    registry,
    { name: 'postern_tokens_issued_total', help: 'Tokens issued, by format.', label: 'format' },
    FORMATS,
  );
  const redeemed = new Counter({
    name: 'postern_tokens_redeemed_total',
    help: 'First uses: requesters who began, of tokens whose requesters are told apart.',
    registers: [registry],
  });
  const revoked = new Counter({
    name: 'postern_tokens_revoked_total',
    help: 'Tokens revoked, one by one or with all of their subject.',
    registers: [registry],
  });

  return {
    issued: (format) => issued[format].inc(),
    redeemed: () => redeemed.inc(),
    revoked: (count) => revoked.inc(count),
  };
}

/** Counts what is issued. Not in the store: of a JWT with `revocable: false` that hears nothing. */
export function measuredIssue(issue: Issue, tokens: TokenRecorder): Issue {
  return async (client, asked) => {
    const issued = await issue(client, asked);
    for (const { token } of issued) tokens.issued(isOpaque(token) ? 'opaque' : 'jwt');
    return issued;
  };
}
