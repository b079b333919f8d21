import { quote } from '../service/config/shown.ts';
import { readKeySet } from './key-file.ts';
import type { Jwk } from './new-key.ts';

/**
 * The keys of a file, as text to print. Nothing of a key itself is in it.
 *
 * @throws Failure
 */
export async function listKeys(file: string, { json }: { readonly json?: true }): Promise<string> {
  const { keys } = await readKeySet(file);
  const rows = keys.map((key, index) => ({
    kid: textOf(key.kid),
    alg: textOf(key.alg),
    signs: index === 0 && isPrivate(key),
  }));
  if (json) return `${JSON.stringify({ keys: rows })}\n`;
  const lines = rows.map(({ kid, alg, signs }, index) => [
    plain(kid),
    plain(alg),
    signs ? 'signs' : index === 0 ? 'cannot sign: no private key' : 'verifies',
  ]);
  return table([['kid', 'alg', ''], ...lines]);
}

function textOf(member: unknown): string | null {
  return typeof member === 'string' ? member : null;
}

function isPrivate({ kty, d, k }: Jwk): boolean {
  return typeof (kty === 'oct' ? k : d) === 'string';
}

/** A file may hold what a terminal would obey. */
function plain(text: string | null): string {
  if (text === null) return '-';
  return /^[\x21-\x7e]{1,64}$/.test(text) ? text : quote(text);
}

function table(rows: readonly string[][]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = [width(0), width(1), 0];
  const line = (row: string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
