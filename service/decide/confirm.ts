import { type Grant, isFolder } from '../token/grant.ts';
import { MAX_PIN_ATTEMPTS, matchesPin } from '../token/pin.ts';
import { createQueue } from '../token/queue.ts';
import { type Store, Unavailable } from '../token/store.ts';
import type { Redeemed } from '../token/uses.ts';
import type { Deadline } from './deadline.ts';
import {
  type Allow,
  type Confirmation,
  type ConfirmPage,
  type Decision,
  type DenyCode,
  deny,
} from './decision.ts';

/** Maximum number of PINs that wait for their check. A check takes about 50 ms, and a decision at most 1.5 s. */
const MAX_WAITING = 16;

/**
 * Time that a decision must have left before a check begins. A correct PIN that is late remains counted:
 * without this limit, a flood of PINs could make another token run out of attempts.
 */
export const MIN_LEFT_MS = 750;

/** A request with a token that needs a confirmation, and that the token covers. */
interface Confirming {
  /** The decision for a requester that has confirmed. */
  readonly allow: Allow;
  /** Absent: GET or HEAD. */
  readonly confirmation: Confirmation | undefined;
  /** For a new requester. */
  readonly resumeCookie: Allow['resumeCookie'];
  /** Of the requester; empty if nginx sees no IP address. */
  readonly network: string;
  readonly redeem: (counts: boolean) => Promise<Redeemed | undefined>;
  readonly deadline: Deadline;
}

/**
 * Decides with `confirm`: GET and HEAD never take a use, because link scanners send them. A POST takes
 * one, but does not send the file. PINs are checked one at a time, so that many PINs delay no other decision.
 * The places and the order of the checks are shared by the requesters' networks, then by the tokens.
 */
export function createConfirm(store: Pick<Store, 'countAttempt' | 'revoke'>) {
  const enqueue = createQueue(MAX_WAITING);

  return async function confirm(asked: Confirming): Promise<Decision> {
    const { allow, confirmation, resumeCookie, network, redeem } = asked;
    const { id, grant, path, tokenCookie } = allow;
    const { pinHash } = grant;
    const known = { id, path, subject: grant.subject };
    const refused = () => deny('invalid_token', { ...known, refused: true });
    const ask = (code: DenyCode) => deny(code, { ...known, page: pageOf(grant, path) });
    const confirmed = (redeemed: Redeemed | undefined) => {
      if (redeemed === undefined) return refused();
      const cookies = {
        ...(tokenCookie && { tokenCookie }),
        ...(resumeCookie && redeemed === 'new' && { resumeCookie }),
      };
      return deny('confirmed', { ...known, confirmed: { grant, redeemed, ...cookies } });
    };

    if (confirmation === undefined) {
      const redeemed = await redeem(false);
      if (redeemed === undefined) return refused();
      if (redeemed === 'known') return { ...allow, redeemed };
      return ask(pinHash === undefined ? 'confirmation_required' : 'pin_required');
    }

    if (pinHash === undefined) return confirmed(await redeem(true));
    const seen = await redeem(false);
    if (seen !== 'new') return confirmed(seen);
    const { pin } = confirmation;
    // A form that has no PIN is not an attempt.
    if (pin === undefined || pin === '') return ask('pin_required');
    const redeemed = await enqueue([network, id], (place) =>
      place.alone(() => tryPin(asked, pin, pinHash)),
    );
    if (redeemed === 'locked') return { ...refused(), locked: grant };
    return redeemed === 'wrong' ? ask('pin_wrong') : confirmed(redeemed);
  };

  /**
   * Redeems the token if the PIN is correct. The store counts each attempt before the check. `locked`: no
   * attempt is left, and the token is revoked. Undefined: no use is left, or the token is gone.
   */
  async function tryPin(
    { allow: { id, grant }, redeem, deadline }: Confirming,
    pin: string,
    pinHash: string,
  ): Promise<Redeemed | 'wrong' | 'locked' | undefined> {
    if (deadline.endsAt - performance.now() < MIN_LEFT_MS) {
      throw new Unavailable('the PIN waited too long for its check');
    }
    // While this attempt waited, the requester may have confirmed, or another one may have taken the last use.
    const seen = await redeem(false);
    if (seen !== 'new') return seen;
    const attempts = await store.countAttempt(id, MAX_PIN_ATTEMPTS);
    if (attempts === undefined) return undefined;
    if (attempts === 0) return 'locked';
    if (await matchesPin(pin, pinHash)) {
      if (deadline.late) throw deadline.late;
      return redeem(true);
    }
    if (attempts < MAX_PIN_ATTEMPTS) return 'wrong';
    return (await store.revoke(id, grant.client)) ? 'locked' : undefined;
  }
}

function pageOf(grant: Grant, path: string): ConfirmPage {
  const { covers, filename, disposition, expiresAt } = grant;
  const [name = ''] = (isFolder(covers) ? covers.slice(0, -1) : path).split('/').slice(-1);
  const page = { file: filename ?? name, until: expiresAt };
  if (isFolder(path)) return { ...page, opens: 'folder' };
  return disposition === 'inline' ? { ...page, opens: 'file' } : page;
}

/**
 * Whether a POST comes from a page of the site itself, or from a program, which sends neither header.
 * nginx behind a load balancer does not know the scheme, so only the hosts are compared.
 */
export function isSameOrigin({ fetchSite, origin, host }: Confirmation): boolean {
  if (fetchSite !== undefined) return fetchSite === 'same-origin';
  // If there is no host, nginx does not use the snippets, and may drop Origin too.
  if (origin === undefined) return host !== undefined;
  const [, of = ''] = /^https?:\/\/(.+)$/i.exec(origin) ?? [];
  return of !== '' && of.toLowerCase() === host?.toLowerCase();
}
