import type { Context } from 'hono';
import { Refused } from '../domain/errors.ts';
import type { GrantRequest } from '../domain/grant-fields.ts';
import type { IssuedAnswer } from '../schema/answer.ts';
import type { ApiDependencies, ApiEnv } from './api-env.ts';
import { contentType, readJson } from './body.ts';
import { faultsOf, grantRequest, MOST_AT_ONCE } from './schema.ts';

/** `POST /tokens`: one request, or an array of them; then all are issued or none. */
export function issueHandler({ issue, publicUrl }: ApiDependencies) {
  return async (c: Context<ApiEnv>) => {
    const refused = contentType(c, 'application/json');
    if (refused !== undefined) return refused;
    const body = await readJson(c);
    const many = Array.isArray(body);
    const asked = parseAll(many ? body : [body], many);
    const issued = await issue(c.var.client, asked);
    const answers = issued.map(
      ({ token, id, expiresIn, url }): IssuedAnswer => ({
        access_token: token,
        token_type: 'Bearer',
        expires_in: expiresIn,
        id,
        url: publicUrl + url,
      }),
    );
    return c.json(many ? answers : answers[0], 201);
  };
}

function parseAll(bodies: unknown[], many: boolean): Array<{ at: string; request: GrantRequest }> {
  if (bodies.length < 1 || bodies.length > MOST_AT_ONCE) {
    throw new Refused('invalid_request', `An array must hold 1 to ${MOST_AT_ONCE} requests.`);
  }
  const parsed = bodies.map((body, i) => {
    return { at: many ? `/${i}` : '', result: grantRequest.safeParse(body) };
  });
  const faults = parsed.flatMap(({ at, result }) => {
    return result.success ? [] : faultsOf(result.error, at);
  });
  if (faults.length > 0) {
    throw new Refused('invalid_request', 'No token was issued: the request is not valid.', faults);
  }
  return parsed.map(({ at, result }) => ({ at, request: result.data as GrantRequest }));
}
