import type { Stats } from 'node:fs';
import { link, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { Failure } from '../../common/errors.ts';
import { systemReason, temporaryBeside, tryTo } from '../../common/io.ts';

/** A key of a key file (RFC 7517), with its private part. */
export interface Jwk {
  readonly kty: string;
  readonly [member: string]: unknown;
}

/** The first key signs, all keys verify. */
interface KeySet {
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
  const set = tryTo((): unknown => JSON.parse(text));
  if (isKeySet(set)) return set;
  throw new Failure(`${path}: expected a JWKS file with at least one key, {"keys": [ … ]}`);
}

/**
 * Writes a key file completely or not at all. Only its owner can read a new file. A replaced file keeps its
 * owner, so that Postern can still read it after root rotated the keys. Its group keeps the read permission;
 * others have none.
 *
 * @throws Failure, also if a new file exists
 */
export async function writeKeyFile(path: string, text: string, replace?: true): Promise<void> {
  let temporary: string | undefined;
  try {
    // Follow a symbolic link instead of replacing it.
    const target = replace ? await realpath(path) : path;
    const existing = replace && (await stat(target));
    temporary = temporaryBeside(target);
    await write(temporary, text, existing);
    // Unlike rename, link does not replace a file that another process created in the meantime.
    await (replace ? rename : link)(temporary, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Failure(`${path} exists and is not overwritten; use --rotate to add a key to it`);
    }
    fail(path, replace ? 'cannot be replaced' : 'cannot be written', error);
  } finally {
    if (temporary !== undefined) await rm(temporary, { force: true });
  }
}

async function write(path: string, text: string, like?: Stats): Promise<void> {
  const file = await open(path, 'wx', OWNER_ONLY);
  try {
    const { uid, gid } = await file.stat();
    if (like && (like.uid !== uid || like.gid !== gid)) await file.chown(like.uid, like.gid);
    await file.chmod(OWNER_ONLY | (like ? like.mode & GROUP_READS : 0));
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function isKeySet(set: unknown): set is KeySet {
  const { keys } = Object(set) as { keys?: unknown };
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
