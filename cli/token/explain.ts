import { readFileSync } from 'node:fs';
import { decodeJwt } from 'jose';
import type { Verified } from '../../service/domain/look-up.ts';
import { createMounts } from '../../service/domain/mount.ts';
import { KeysUnavailable } from '../../service/domain/store.ts';
import { isDownloadJwt, isOpaque, isToken } from '../../service/domain/token.ts';
import { KeyError } from '../../service/jwt/keys.ts';
import { type Jwt, openJwt } from '../../service/jwt/open.ts';
import type { Api } from '../api-client.ts';
import { type Environment, Failure, WrongUsage } from '../failure.ts';
import { ownConfig } from '../own-config.ts';
import { plain, plainJson } from '../terminal.ts';
import { textOf } from './show.ts';

export interface ExplainOptions {
  readonly openApi: () => Promise<Api>;
  readonly env: Environment;
  readonly json?: true;
}

/** Fields to print; `active`: whether the token is good. */
export interface Explained extends Readonly<Record<string, unknown>> {
  readonly active: boolean;
}

/** More than any token has. */
const LONGEST = 16_384;

/**
 * Says what the token on standard input opens, or why it is rejected.
 *
 * @throws Failure where that cannot be found out
 */
export async function explainToken(
  stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  { openApi, env, json }: ExplainOptions,
): Promise<{ readonly active: boolean; readonly text: string }> {
  if (stdin.isTTY) {
    throw new WrongUsage(
      'the token is read from standard input: postern token explain < token.txt',
    );
  }
  const explained = await explain(await read(stdin), openApi, env);
  const text = json ? `${plainJson(explained)}\n` : textOf(explained);
  return { active: explained.active, text };
}

async function explain(
  token: string,
  openApi: ExplainOptions['openApi'],
  env: Environment,
): Promise<Explained> {
  if (isOpaque(token)) return askApi(await openApi(), token);
  if (isToken(token)) {
    const { explainJwt } = await import('./explain.ts');
    return explainJwt(token, env);
  }
  const reason = isDownloadJwt(token)
    ? 'it has more than 4000 characters: the gate ignores it'
    : 'it is neither an opaque token (ps_…) nor a JWT with the typ postern+jwt: the gate ignores it';
  return { active: false, reason };
}

async function askApi(api: Api, token: string): Promise<Explained> {
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
    if (size > LONGEST) throw new Failure(`standard input has more than ${LONGEST} bytes`);
    chunks.push(chunk);
  }
  const token = Buffer.concat(chunks).toString('utf8').trim();
  if (token === '') throw new WrongUsage('standard input is empty: expected a token');
  return token;
}

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
    if (error instanceof KeyError) throw new WrongUsage(plain(error.message), { cause: error });
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
