import type { Environment } from '../../service/config/environment.ts';
import { isDownloadJwt, isOpaque, isToken } from '../../service/domain/token.ts';
import type { ApiClient } from '../api-client.ts';
import { Failure, UsageError } from '../errors.ts';
import { escapeControlsInJson } from '../terminal.ts';
import type { Explained } from './explain-jwt.ts';
import { stateText } from './show.ts';

interface ExplainOptions {
  /** `introspect` asks the service about JWTs, too. */
  readonly command: 'explain' | 'introspect';
  readonly openApi: () => Promise<ApiClient>;
  readonly env: Environment;
  readonly json?: true | undefined;
}

/** More than any token has. */
const MAX_INPUT_BYTES = 16_384;

/**
 * Says what the token on standard input opens, or why it opens nothing.
 *
 * @throws Failure if the command cannot find out
 */
export async function explainToken(
  stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  { command, openApi, env, json }: ExplainOptions,
): Promise<{ readonly active: boolean; readonly text: string }> {
  if (stdin.isTTY) {
    throw new UsageError(
      `the token is read from standard input: postern token ${command} < token.txt`,
    );
  }
  const token = await read(stdin);
  const explained =
    command === 'explain'
      ? await explain(token, openApi, env)
      : await introspect(await openApi(), token);
  const text = json ? `${escapeControlsInJson(explained)}\n` : stateText(explained);
  return { active: explained.active, text };
}

async function explain(
  token: string,
  openApi: ExplainOptions['openApi'],
  env: Environment,
): Promise<Explained> {
  if (isOpaque(token)) return introspect(await openApi(), token);
  if (isToken(token)) {
    const { explainJwt } = await import('./explain-jwt.ts');
    return explainJwt(token, env);
  }
  const reason = isDownloadJwt(token)
    ? 'it has more than 4000 characters: the gate ignores it'
    : 'it is neither an opaque token (ps_…) nor a JWT with the typ postern+jwt: the gate ignores it';
  return { active: false, reason };
}

async function introspect(api: ApiClient, token: string): Promise<Explained> {
  const form = new URLSearchParams({ token });
  const state = (await api.ask('POST', '/introspect', form)) as Record<string, unknown>;
  if (state.active === true) return { ...state, active: true };
  const reason =
    'no live token of this client: it expired, was revoked, was never issued, or belongs to another client';
  return { active: false, reason };
}

async function read(stdin: AsyncIterable<Uint8Array>): Promise<string> {
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
