import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { link, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { Failure } from '../errors.ts';
import { systemReason, temporaryBeside, tryParseJson } from '../io.ts';

/** The first key signs, all keys verify. */
export interface KeySet {
  readonly keys: readonly Jwk[];
}

const OWNER_ONLY = 0o600;
const GROUP_READS = 0o040;

/**
 * The keys of a file, at least one.
 *
 * @throws Failure, whose message contains nothing of the file
 */
export async function readKeySet(path: string): Promise<KeySet> {
  const text = await readFile(path, 'utf8').catch((error) => fail(path, 'cannot be read', error));
  const set = tryParseJson(text);
  if (isKeySet(set)) return set;
  throw new Failure(`${path}: expected a JWKS file with at least one key, {"keys": [ … ]}`);
}

/**
 * Creates a file that only its owner can read. It is created completely or not at all.
 *
 * @throws Failure, also if the file exists
 */
export async function createKeyFile(path: string, text: string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await write(temporary, text);
    // Not rename, which would replace a file that another process created in the meantime.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Failure(`${path} exists and is not overwritten; use --rotate to add a key to it`);
    }
    fail(path, 'cannot be written', error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Replaces the content of a file atomically. It keeps its owner, so that Postern can still read the file
 * after root rotated the keys. The group keeps its read permission; others have none.
 */
export async function replaceKeyFile(path: string, text: string): Promise<void> {
  let temporary: string | undefined;
  try {
    // Follow a symbolic link instead of replacing it.
    const target = await realpath(path);
    const { uid, gid, mode } = await stat(target);
    temporary = temporaryBeside(target);
    await write(temporary, text, { uid, gid, mode: OWNER_ONLY | (mode & GROUP_READS) });
    await rename(temporary, target);
  } catch (error) {
    fail(path, 'cannot be replaced', error);
  } finally {
    if (temporary !== undefined) await rm(temporary, { force: true });
  }
}

async function write(
  path: string,
  text: string,
  as?: { readonly uid: number; readonly gid: number; readonly mode: number },
): Promise<void> {
  const file = await open(path, 'wx', OWNER_ONLY);
  try {
    const own = await file.stat();
    if (as && (as.uid !== own.uid || as.gid !== own.gid)) await file.chown(as.uid, as.gid);
    await file.chmod(as?.mode ?? OWNER_ONLY);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isKeySet(set: unknown): set is KeySet {
  const { keys } = (set ?? {}) as { keys?: unknown };
  return Array.isArray(keys) && keys.length > 0 && keys.every(isKey);
}

function isKey(key: unknown): key is Jwk {
  return typeof (key as Jwk | null)?.kty === 'string';
}

function fail(path: string, what: string, error: unknown): never {
  throw new Failure(`${path} ${what}: ${systemReason(error)}`, { cause: error });
}

/**
 * Lets only one process at a time change a file. Otherwise the second of two rotations would undo the first.
 *
 * @throws Failure if another process holds the lock
 */
export async function withLock<T>(path: string, change: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const held = await open(lock, 'wx', OWNER_ONLY).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') return fail(path, 'cannot be written', error);
    throw new Failure(`another process is changing ${path}; if none is, remove ${lock}`);
  });
  try {
    return await change();
  } finally {
    await held.close();
    await rm(lock, { force: true });
  }
}

export const ALGORITHMS = ['EdDSA', 'ES256', 'HS256'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** A key of a key file (RFC 7517), with its private part. */
export interface Jwk {
  readonly kty: string;
  readonly [member: string]: unknown;
}

export interface NewKey extends Jwk {
  readonly kid: string;
  readonly alg: Algorithm;
}

/** Generates a key with a random `kid` of 16 characters. */
export function newKey(alg: Algorithm): NewKey {
  const kid = randomBytes(12).toString('base64url');
  return { kid, alg, use: 'sig', ...MAKE[alg]() };
}

const MAKE: Readonly<Record<Algorithm, () => Jwk>> = {
  // RFC 8037. Libraries support Ed25519 more often than Ed448.
  EdDSA: () => exported(generateKeyPairSync('ed25519').privateKey),
  ES256: () => exported(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  // RFC 7518, section 3.2: as long as the hash.
  HS256: () => ({ kty: 'oct', k: randomBytes(32).toString('base64url') }),
};

function exported(key: KeyObject): Jwk {
  return key.export({ format: 'jwk' }) as Jwk;
}
