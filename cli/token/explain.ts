import type { Environment } from '../../service/config/environment.ts';
import { isDownloadJwt, isOpaque, isToken } from '../../service/domain/token.ts';
import type { ApiClient } from '../api-client.ts';
import { Failure, UsageError } from '../errors.ts';
import type { Explained } from './explain-jwt.ts';

/** Says what a token opens, or why it opens nothing. Only an opaque token needs the service. */
export async function explain(
  token: string,
  openApi: () => Promise<ApiClient>,
  env: Environment,
): Promise<Explained> {
  if (isOpaque(token)) return introspect(token, await openApi());
  if (isToken(token)) {
    const { explainJwt } = await import('./explain-jwt.ts');
    return explainJwt(token, env);
  }
  const reason = isDownloadJwt(token)
    ? 'it has more than 4000 characters: the gate ignores it'
    : 'it is neither an opaque token (ps_…) nor a JWT with the typ postern+jwt: the gate ignores it';
  return { active: false, reason };
}

export async function introspect(token: string, api: ApiClient): Promise<Explained> {
  const form = new URLSearchParams({ token });
  const state = (await api.ask('POST', '/introspect', form)) as Record<string, unknown>;
  if (state.active === true) return { ...state, active: true };
  const reason =
    'no live token of this client: it expired, was revoked, was never issued, or belongs to another client';
  return { active: false, reason };
}

/** More than any token has. */
const MAX_INPUT_BYTES = 16_384;

/** The token on standard input. */
export async function readToken(
  stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  command: string,
): Promise<string> {
  if (stdin.isTTY) {
    throw new UsageError(
      `the token is read from standard input: postern token ${command} < token.txt`,
    );
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    size += chunk.length;
    if (size > MAX_INPUT_BYTES) {
      throw new Failure(`standard input has more than ${MAX_INPUT_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  const token = Buffer.concat(chunks).toString('utf8').trim();
  if (token === '') throw new UsageError('standard input is empty: expected a token');
  return token;
}
