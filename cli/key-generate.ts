import { Failure } from './failure.ts';
import { createKeyFile, readKeySet, replaceKeyFile, withLock } from './key-file.ts';
import { ALGORITHMS, type Algorithm, type Jwk, newKey } from './new-key.ts';

export interface GenerateOptions {
  /** EdDSA by default; with `rotate` that of the key that signs now. */
  readonly alg?: Algorithm;
  /** Absent: the keys are the answer themselves. */
  readonly out?: string;
  readonly rotate?: true;
  readonly json?: true;
}

/**
 * Makes a key. Returns what to print.
 *
 * @throws Failure
 */
export async function generateKey(options: GenerateOptions): Promise<string> {
  const { alg, out, rotate, json } = options;
  if (out === undefined) {
    const set = { keys: [newKey(alg ?? 'EdDSA')] };
    return `${json ? JSON.stringify(set) : pretty(set)}\n`;
  }
  return rotate ? withLock(out, () => write(out, options)) : write(out, options);
}

async function write(out: string, { alg, rotate, json }: GenerateOptions): Promise<string> {
  const set = rotate ? await readKeySet(out) : { keys: [] };
  const key = newKey(alg ?? algorithmOf(out, set.keys[0]));
  const keys = [key, ...set.keys];
  const save = rotate ? replaceKeyFile : createKeyFile;
  await save(out, `${pretty({ ...set, keys })}\n`);
  if (json)
    return `${JSON.stringify({ file: out, kid: key.kid, alg: key.alg, keys: keys.length })}\n`;
  const next = rotate
    ? 'The old keys still verify their tokens. Send SIGHUP to Postern to reload the file.'
    : 'To sign with it, set POSTERN_JWT_KEYS to this file.';
  return `${out}: key ${key.kid} signs with ${key.alg}.\n${next}\n`;
}

function algorithmOf(file: string, first: Jwk | undefined): Algorithm {
  if (first === undefined) return 'EdDSA';
  const known = ALGORITHMS.find((alg) => alg === first.alg);
  if (known !== undefined) return known;
  throw new Failure(`the first key of ${file} has no alg that Postern can sign with: pass --alg`);
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
