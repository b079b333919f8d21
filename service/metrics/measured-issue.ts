import type { Issue } from '../domain/issue.ts';
import { isOpaque } from '../domain/token.ts';
import type { TokenRecorder } from './tokens.ts';

/** Counts what is issued. Not in the store: of a JWT with `revocable: false` that hears nothing. */
export function measuredIssue(issue: Issue, tokens: TokenRecorder): Issue {
  return async (client, asked) => {
    const issued = await issue(client, asked);
    for (const { token } of issued) tokens.issued(isOpaque(token) ? 'opaque' : 'jwt');
    return issued;
  };
}
