import type { Context } from 'hono';
import { Refused } from '../token/refused.ts';
import { isTokenId } from '../token/token.ts';
import { grantFields, note } from './audit.ts';
import { readJson } from './body.ts';
import { type AddEndpoint, ref } from './endpoint.ts';
import { type ApiDependencies, type ApiEnv, json, respond } from './http.ts';
import { issueBatch, issueOne } from './issue.ts';
import { listOperation, ownerOf, queryValues, SELECTED } from './list.ts';
import { prolongRequest, wholeStateOf } from './schema.ts';

/** Adds the endpoints that list, show, prolong and revoke tokens, and the one that issues one. */
export function addTokens(endpoint: AddEndpoint, deps: ApiDependencies): void {
  const { prolong, revoke, store } = deps;
  endpoint('Tokens', '/tokens', {
    get: listOperation(deps),
    post: issueOne(deps),
    // Ends all grants of a client, or those of one of its subjects.
    delete: {
      id: 'revokeTokens',
      summary: 'Revoke the tokens of a subject or a client',
      description:
        'Revokes all tokens that were issued before the request, and with `subject` those that issuers of the client ' +
        'signed. At least one of the parameters is required.',
      parameters: SELECTED,
      answer: [200, 'Number of revoked tokens.', ref('Revoked')],
      codes: ['invalid_request', 'insufficient_scope'],
      isHeavy: true,
      async handle(c) {
        const { subject, client: owner } = queryValues(c, SELECTED);
        if (subject === undefined && owner === undefined) {
          throw new Refused('invalid_request', 'The query must have a subject, a client, or both.');
        }
        const by = subject === undefined ? 'client' : 'subject';
        note(c, { action: 'token.revoked', by, subject, owner });
        const client = ownerOf(c, owner);
        const { revoked, signedBefore } = await revoke.all(client, subject);
        note(c, { count: revoked, signed_before: signedBefore });
        return json(c, { revoked, signed_before: signedBefore });
      },
    },
  });
  // This route comes before the paths with an ID.
  endpoint('Tokens', '/tokens/batch', { post: issueBatch(deps) });
  endpoint('Tokens', '/tokens/{id}', {
    get: {
      id: 'showToken',
      summary: 'Show a token',
      description: 'Shows the state of a live token that this client issued.',
      answer: [200, 'The state.', ref('Token')],
      codes: ['not_found'],
      async handle(c) {
        const id = idOf(c);
        note(c, { action: 'token.shown', token_id: id });
        const grant = await revoke.find(c.get('client'), id);
        if (grant === undefined) throw noSuchToken();
        note(c, grantFields(grant));
        return json(c, await wholeStateOf(store, id, grant));
      },
    },
    patch: {
      id: 'prolongToken',
      summary: 'Change when a token ends',
      description: 'The new end is `expires_in` seconds from now: later or earlier.',
      json: ref('ProlongRequest'),
      answer: [200, 'The new state.', ref('Token')],
      codes: ['insufficient_scope', 'not_found'],
      async handle(c) {
        const { expires_in: expiresIn } = await readJson(c, prolongRequest);
        const id = idOf(c);
        note(c, { action: 'token.prolonged', token_id: id, expires_in: expiresIn });
        const grant = await prolong(c.get('client'), id, expiresIn);
        if (grant === undefined) throw noSuchToken();
        note(c, grantFields(grant));
        return json(c, await wholeStateOf(store, id, grant));
      },
    },
    delete: {
      id: 'revokeToken',
      summary: 'Revoke a token',
      description: 'Revokes a live token that this client issued.',
      answer: [204, 'Revoked.'],
      codes: ['not_found'],
      async handle(c) {
        const id = idOf(c);
        note(c, { action: 'token.revoked', by: 'id', token_id: id });
        if (!(await revoke.id(c.get('client'), id))) throw noSuchToken();
        return respond(c, null, {}, 204);
      },
    },
  });
}

function idOf(c: Context<ApiEnv>): string {
  const id = c.req.param('id') ?? '';
  if (!isTokenId(id)) throw noSuchToken();
  return id;
}

/** The same error whether the token never existed, has ended, or is another client's. */
function noSuchToken(): Refused {
  return new Refused('not_found', 'There is no such token, or it has ended.');
}
