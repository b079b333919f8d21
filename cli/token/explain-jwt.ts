import { readFileSync } from 'node:fs';
import { decodeJwt } from 'jose';
import type { Environment } from '../../service/config/environment.ts';
import type { Verified } from '../../service/domain/look-up.ts';
import { createMounts } from '../../service/domain/mount.ts';
import { KeysUnavailable } from '../../service/domain/store.ts';
import { type Jwt, KeyFilesError, openJwt } from '../../service/jwt/open.ts';
import { serviceConfig } from '../config.ts';
import { Failure, UsageError } from '../errors.ts';
import { escapeControls } from '../terminal.ts';

/** Fields to print. `active` says whether the token is valid. */
export interface Explained extends Readonly<Record<string, unknown>> {
  readonly active: boolean;
}

/** This command does not ask the store. How to ask it, by what Postern records of the token. */
const STORE: Readonly<Record<Verified['recorded'], (id: string) => string>> = {
  required: (id) => `not asked whether the token is still there: postern token show -- ${id}`,
  optional: () => 'not asked whether the token was revoked or used up: POST /introspect',
  never: () => 'records nothing of the token: it is valid until exp',
};

/** Verifies a JWT with the code, the keys and the issuers of the service. */
export async function explainJwt(token: string, env: Environment): Promise<Explained> {
  const verified = await verify(await openService(env), token);
  if ('reason' in verified) return { active: false, ...verified };
  const { id, recorded } = verified;
  // Already verified, so the claims are from the issuer.
  return { active: true, id, ...decodeJwt(token), store: STORE[recorded](id) };
}

async function openService(env: Environment): Promise<Jwt> {
  const config = serviceConfig(env);
  try {
    return await openJwt(config, {
      mounts: createMounts(config.mounts),
      readFile: (path) => readFileSync(path, 'utf8'),
      now: Date.now,
      onFailure(issuer, { message }) {
        process.stderr.write(`postern: the keys of ${issuer}: ${escapeControls(message)}\n`);
      },
    });
  } catch (error) {
    if (error instanceof KeyFilesError)
      throw new UsageError(escapeControls(error.message), { cause: error });
    throw error;
  }
}

async function verify(jwt: Jwt, token: string) {
  try {
    return await jwt.verify(token);
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error;
    throw new Failure(`${escapeControls(error.message)}: nothing is known of the token`, {
      cause: error,
    });
  }
}
