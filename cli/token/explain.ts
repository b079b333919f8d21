import { decodeJwt } from 'jose';
import type { ApiClient } from '../../common/api-client.ts';
import { serviceConfig, textOfFile } from '../../common/config.ts';
import { Failure, UsageError } from '../../common/errors.ts';
import { escapeControls } from '../../common/terminal.ts';
import { KeyFilesError, openJwt } from '../../service/jwt/jwt.ts';
import { createMounts } from '../../service/paths/mount.ts';
import type { Verified } from '../../service/token/look-up.ts';
import { KeysUnavailable } from '../../service/token/store.ts';
import { isDownloadJwt, isOpaque, isToken } from '../../service/token/token.ts';

/**
 * Explains what a token opens, or why Postern rejects it, in fields to print. `active` says whether the token is
 * valid. Only `introspect` and an opaque token need the service.
 */
export async function explain(
  command: 'explain' | 'introspect',
  token: string,
  openApi: () => Promise<ApiClient>,
  env: NodeJS.ProcessEnv,
) {
  if (command === 'introspect' || isOpaque(token)) return introspect(token, await openApi());
  if (isToken(token)) return explainJwt(token, env);
  const reason = isDownloadJwt(token)
    ? 'it has more than 4000 characters: the gate ignores it'
    : 'it is neither an opaque token (ps_…) nor a JWT with the typ postern+jwt: the gate ignores it';
  return { active: false, reason };
}

async function introspect(token: string, api: ApiClient) {
  const form = new URLSearchParams({ token });
  const state = (await api.ask('POST', '/introspect', form)) as Record<string, unknown>;
  if (state.active === true) return { ...state, active: true };
  const reason =
    'no live token of this client: it expired, was revoked, its max_bytes were sent, it was never issued, ' +
    'or belongs to another client';
  return { active: false, reason };
}

/** The text about the store, which this command does not use, by whether the store has the token. */
const STORE: Readonly<Record<Verified['recorded'], (id: string) => string>> = {
  required: (id) =>
    `not checked: postern token show -- ${id} shows whether the token is still valid`,
  optional: () =>
    'not checked: postern token introspect shows whether the token was revoked or used up',
  never: () => 'does not keep this token: it is valid until exp',
};

/** Verifies a JWT with the code, the keys and the issuers of the service. */
async function explainJwt(token: string, env: NodeJS.ProcessEnv) {
  const config = serviceConfig(env);
  try {
    const jwt = await openJwt(config, {
      mounts: createMounts(config.mounts),
      readFile: textOfFile,
      now: Date.now,
      onFailure(issuer, { message }) {
        process.stderr.write(`postern: the keys of ${issuer}: ${escapeControls(message)}\n`);
      },
    });
    const verified = await jwt.verify(token);
    if ('reason' in verified) return { active: false, ...verified };
    const { id, recorded } = verified;
    // The claims are verified, so they are from the issuer.
    return { active: true, id, ...decodeJwt(token), store: STORE[recorded](id) };
  } catch (error) {
    const message = escapeControls((error as Error).message);
    if (error instanceof KeyFilesError) throw new UsageError(message, { cause: error });
    if (!(error instanceof KeysUnavailable)) throw error;
    throw new Failure(`${message}: the token could not be verified`, { cause: error });
  }
}
