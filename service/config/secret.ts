import { hashSecret } from '../domain/client.ts';

/** It travels in a header, behind a scheme, and in a list that commas separate. */
const SECRET = /^[\x21-\x2b\x2d-\x7e]{16,}$/;

/** The hash that `sha256:<64 hex>` spells; undefined if it does not. */
export function parseHash(text: string): Buffer | undefined {
  const hex = /^sha256:([\da-f]{64})$/i.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
}

/** The hash of a key from the environment: of the key itself, or as it stands there. */
export function parseSecret(text: string): Buffer | undefined {
  // In any case of letters: who writes SHA256: means no secret of that text.
  if (/^sha256:/i.test(text)) return parseHash(text);
  return SECRET.test(text) ? hashSecret(text) : undefined;
}
