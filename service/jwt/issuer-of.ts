import { decodeJwt } from 'jose';

/** What a JWT says of itself: which keys to try, from when on it is good, and nothing more. */
export function saidOf(token: string): { readonly iss: string | undefined; readonly nbf: number } {
  try {
    const { iss, iat, nbf } = decodeJwt(token);
    // Milliseconds since the epoch.
    const begins = [iat, nbf].filter((date) => typeof date === 'number' && date < 1e11);
    return { iss, nbf: Math.max(0, ...(begins as number[])) * 1000 };
  } catch {
    return { iss: undefined, nbf: 0 };
  }
}
