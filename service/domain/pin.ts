import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { createQueue } from './batches.ts';
import type { Deadline } from './deadline.ts';
import type { Grant } from './grant.ts';
import type { Redeemed } from './requester.ts';
import { type Store, Unavailable } from './store.ts';

/** Wrong PINs, together with those that are being checked. Then the token is revoked. */
export const MAX_PIN_ATTEMPTS = 10;

/** PINs that wait for their check. A check takes about 50 ms, and a decision at most 1.5 s. */
const MAX_WAITING = 16;

/**
 * Time that a decision must have left before a check begins. A correct PIN that is late remains counted,
 * so without this limit, those who send many PINs could make another token run out of attempts.
 */
export const MIN_LEFT_MS = 750;

const KEY_BYTES = 32;

/** Node's default cost: 16 MB, and about 50 ms in a thread. */
function derive(pin: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(normalized(pin), salt, KEY_BYTES, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** Spaces are for reading. Some keyboards type full-width digits. */
function normalized(pin: string): string {
  return pin.normalize('NFKC').replace(/\s/g, '');
}

/** A salt and a slow hash, in base64url. */
export async function hashPin(pin: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(pin, salt);
  return `${salt.toString('base64url')}.${key.toString('base64url')}`;
}

export async function matchesPin(pin: string, hash: string): Promise<boolean> {
  const [salt = '', key = ''] = hash.split('.');
  const expected = Buffer.from(key, 'base64url');
  const derived = await derive(pin, Buffer.from(salt, 'base64url'));
  return expected.length === KEY_BYTES && timingSafeEqual(derived, expected);
}

/** A grant with a PIN, and what a requester typed. */
export interface PinAttempt {
  readonly id: string;
  readonly grant: Grant;
  readonly pinHash: string;
  readonly pin: string;
  readonly redeem: (counts: boolean) => Promise<Redeemed | undefined>;
}

export type TryPin = (
  attempt: PinAttempt,
  deadline: Deadline | undefined,
) => Promise<Redeemed | 'wrong' | 'locked' | undefined>;

/**
 * Checks PINs one at a time, so that a flood of them delays no other decision. The store counts each
 * attempt before the check. `TryPin` redeems the token if the PIN is correct. `locked`: no attempt is left,
 * and the token is revoked. Undefined: no use is left, or the token is gone.
 */
export function createTryPin(store: Pick<Store, 'countAttempt' | 'revoke'>): TryPin {
  const enqueue = createQueue();
  let waiting = 0;

  async function tryPin(attempt: PinAttempt, deadline: Deadline | undefined) {
    if (deadline !== undefined && deadline.endsAt - performance.now() < MIN_LEFT_MS) {
      throw new Unavailable('the PIN waited too long for its check');
    }
    const { id, grant, pinHash, pin, redeem } = attempt;
    // The requester may have confirmed while this attempt waited, or another one has taken the last use.
    const seen = await redeem(false);
    if (seen !== 'new') return seen;
    const attempts = await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    if (attempts === undefined) return undefined;
    if (attempts === 0) return 'locked';
    if (await matchesPin(pin, pinHash)) {
      if (deadline?.late) throw deadline.late;
      return redeem(true);
    }
    if (attempts < MAX_PIN_ATTEMPTS) return 'wrong';
    return (await store.revoke(id, grant.client)) ? 'locked' : undefined;
  }

  return async (attempt, deadline) => {
    if (waiting >= MAX_WAITING) throw new Unavailable('too many PINs are being checked');
    waiting += 1;
    try {
      return await enqueue(() => tryPin(attempt, deadline));
    } finally {
      waiting -= 1;
    }
  };
}
