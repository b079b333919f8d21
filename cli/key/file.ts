import { link, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import type { JSONWebKeySet, JWK } from 'jose';
import { Failure, systemReason, tryTo } from '../../common/errors.ts';

const OWNER_ONLY = 0o600;
const GROUP_READS = 0o040;

/** The keys of a file, at least one: the first signs, all verify. @throws Failure, whose message contains nothing of the file */
export async function readKeySet(path: string): Promise<JSONWebKeySet> {
  const text = await readFile(path, 'utf8').catch((error) => fail(path, 'cannot be read', error));
  const set = tryTo(() => JSON.parse(text) as Partial<JSONWebKeySet> | null);
  const keys: unknown = set?.keys;
  const isKey = (key: unknown) => typeof (key as JWK | null)?.kty === 'string';
  if (Array.isArray(keys) && keys.length > 0 && keys.every(isKey)) return { ...set, keys };
  throw new Failure(`${path}: expected a JWKS file with at least one key, {"keys": [ … ]}`);
}

/**
 * Writes a key file completely or not at all. Only its owner can read a new file. A replaced file keeps its
 * owner, so that Postern can still read it after root rotated the keys. Its group keeps the read permission;
 * others have none. `change` gets the existing keys.
 *
 * @throws Failure, also if a new file exists
 */
export async function writeKeyFile(
  path: string,
  rotate: true | undefined,
  change: (keys: JSONWebKeySet) => JSONWebKeySet,
): Promise<JSONWebKeySet> {
  const unreadable = (error: unknown) => fail(path, 'cannot be read', error);
  // Follow a symbolic link instead of replacing it.
  const target = rotate ? await realpath(path).catch(unreadable) : path;
  // One process at a time can create this file. Otherwise the second of two rotations would undo the first.
  const next = `${target}.lock`;
  const file = await open(next, 'wx', OWNER_ONLY).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') return fail(path, 'cannot be written', error);
    throw new Failure(`another process is changing ${path}; if none is, remove ${next}`);
  });
  try {
    const set = change(rotate ? await readKeySet(path) : { keys: [] });
    const existing = rotate && (await stat(target));
    const { uid, gid } = await file.stat();
    if (existing && (existing.uid !== uid || existing.gid !== gid)) {
      await file.chown(existing.uid, existing.gid);
    }
    await file.chmod(OWNER_ONLY | (existing ? existing.mode & GROUP_READS : 0));
    await file.writeFile(`${JSON.stringify(set, null, 2)}\n`);
    await file.sync();
    // Unlike rename, link does not replace a file that another process created in the meantime.
    await (rotate ? rename : link)(next, target);
    if (!rotate) await rm(next);
    return set;
  } catch (error) {
    await rm(next, { force: true });
    if (error instanceof Failure) throw error;
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new Failure(`${path} exists and is not overwritten; use --rotate to add a key to it`);
    }
    fail(path, rotate ? 'cannot be replaced' : 'cannot be written', error);
  } finally {
    await file.close();
  }
}

function fail(path: string, what: string, error: unknown): never {
  throw new Failure(`${path} ${what}: ${systemReason(error)}`, { cause: error });
}
