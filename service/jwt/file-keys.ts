import type { KeySource } from './key-source.ts';
import { readKeys } from './keys.ts';

/**
 * The keys of a JWKS file of another issuer.
 *
 * @throws KeyFault
 */
export async function fileKeys(text: string, algorithms: readonly string[]): Promise<KeySource> {
  const keys = await readKeys(text, algorithms);
  return async ({ kid }) => {
    const key = keys.find((one) => one.kid === kid);
    return key && { key: key.verify, alg: key.alg };
  };
}
