import { quote } from '../../service/config/errors.ts';
import { Failure } from '../errors.ts';
import {
  ALGORITHMS,
  type Algorithm,
  createKeyFile,
  type Jwk,
  newKey,
  readKeySet,
  replaceKeyFile,
  withLock,
} from './file.ts';

export interface GenerateOptions {
  /** By default EdDSA, or with `rotate` the algorithm of the current key. */
  readonly alg?: Algorithm;
  /** Absent: the keys are printed. */
  readonly out?: string;
  readonly rotate?: true;
  readonly json?: true;
}

/** Generates a key. Returns the text to print. */
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
  if (json) {
    return `${JSON.stringify({ file: out, kid: key.kid, alg: key.alg, keys: keys.length })}\n`;
  }
  const next = rotate
    ? 'The old keys still verify their tokens. Send SIGHUP to Postern to reload the file.'
    : 'If Postern is to sign with this key, set POSTERN_JWT_KEYS to the file.';
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

/** The keys of a file, as text to print. It contains no part of a key. */
export async function listKeys(file: string, { json }: { readonly json?: true }): Promise<string> {
  const { keys } = await readKeySet(file);
  const rows = keys.map((key, index) => ({
    kid: stringOf(key.kid),
    alg: stringOf(key.alg),
    signs: index === 0 && isPrivate(key),
  }));
  if (json) return `${JSON.stringify({ keys: rows })}\n`;
  const lines = rows.map(({ kid, alg, signs }, index) => [
    cell(kid),
    cell(alg),
    signs ? 'signs' : index === 0 ? 'cannot sign: no private key' : 'verifies',
  ]);
  return table([['kid', 'alg', ''], ...lines]);
}

function stringOf(member: unknown): string | null {
  return typeof member === 'string' ? member : null;
}

function isPrivate({ kty, d, k }: Jwk): boolean {
  return typeof (kty === 'oct' ? k : d) === 'string';
}

/** Other values, which could contain control characters, are quoted. */
function cell(text: string | null): string {
  if (text === null) return '-';
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : quote(text);
}

function table(rows: readonly string[][]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = [width(0), width(1), 0];
  const line = (row: string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
