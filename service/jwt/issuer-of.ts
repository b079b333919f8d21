import { decodeJwt } from 'jose';

/** Who a JWT says has signed it: which keys to try, and nothing more. */
export function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
