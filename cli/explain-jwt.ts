import { readFileSync } from 'node:fs';
import { decodeJwt } from 'jose';
import { createMounts } from '../service/domain/mount.ts';
import type { Verified } from '../service/domain/signed.ts';
import { KeysUnavailable } from '../service/domain/store.ts';
import { KeyFault } from '../service/jwt/keys.ts';
import { type Jwt, openJwt } from '../service/jwt/open.ts';
import type { Environment } from './environment.ts';
import { Failure, WrongUsage } from './failure.ts';
import { ownConfig } from './own-config.ts';
import { plain } from './plain.ts';
import type { Explained } from './token-explain.ts';

/** This command does not ask the store. What it could add, by how Postern keeps the token. */
const STORE: Readonly<Record<Verified['recorded'], (id: string) => string>> = {
  required: (id) => `not asked whether the token is still there: postern token show ${id}`,
  optional: () => 'not asked whether the token was revoked or used up: POST /introspect',
  never: () => 'keeps nothing of the token: it is good until exp',
};

/**
 * Verifies a JWT with the keys and issuers of the service, by the service's own code.
 *
 * @throws Failure
 */
export async function explainJwt(token: string, env: Environment): Promise<Explained> {
  const verified = await verify(await opened(env), token);
  if ('reason' in verified) return { active: false, ...verified };
  const { id, recorded } = verified;
  // Verified above, so the claims are those of its issuer.
  return { active: true, id, ...decodeJwt(token), store: STORE[recorded](id) };
}

async function opened(env: Environment): Promise<Jwt> {
  const config = ownConfig(env);
  try {
    return await openJwt(config, {
      mounts: createMounts(config.mounts),
      readFile: (path) => readFileSync(path, 'utf8'),
      now: Date.now,
      onFailure(issuer, { message }) {
        process.stderr.write(`postern: the keys of ${issuer}: ${plain(message)}\n`);
      },
    });
  } catch (error) {
    if (error instanceof KeyFault) throw new WrongUsage(plain(error.message), { cause: error });
    throw error;
  }
}

async function verify(jwt: Jwt, token: string) {
  try {
    return await jwt.verify(token);
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error;
    throw new Failure(`${plain(error.message)}: nothing is known of the token`, { cause: error });
  }
}
