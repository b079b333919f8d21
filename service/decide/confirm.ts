import { type Grant, isFolder } from '../token/grant.ts';
import { MAX_PIN_ATTEMPTS, matchesPin } from '../token/pin.ts';
import { createQueue } from '../token/queue.ts';
import { type Store, Unavailable } from '../token/store.ts';
import type { Redeemed, Requester } from '../token/uses.ts';
import type { Deadline } from './deadline.ts';
import {
  type Allow,
  type Confirmation,
  type ConfirmPage,
  type Cookie,
  type Decision,
  type DenyCode,
  deny,
} from './decision.ts';

/** Maximum number of PINs that wait for their check. A check takes about 50 ms, and a decision at most 1.5 s. */
const MAX_WAITING = 16;

/** With less time left, no check begins: a late PIN remains counted, so a flood could use up a token's attempts. */
export const MIN_LEFT_MS = 750;

/**
 * Decides with `confirm`: GET and HEAD never take a use, because link scanners send them. A POST takes
 * one, but does not send the file. PINs are checked one at a time, so that many PINs delay no other decision.
 * The places and the order of the checks are shared by the requesters' networks, then by the tokens.
 */
export function createConfirm(store: Pick<Store, 'redeem' | 'countAttempt' | 'revoke'>) {
  const enqueue = createQueue(MAX_WAITING);

  /** `allow` is for a requester that has confirmed, `resumeCookie` for a new one. GET and HEAD have no `confirmation`. */
  return async function confirm(
    allow: Allow,
    resumeCookie: Cookie,
    requester: Requester,
    confirmation: Confirmation | undefined,
    deadline: Deadline,
  ): Promise<Decision> {
    const { id, grant, path, tokenCookie } = allow;
    const { pinHash } = grant;
    const redeem = (counts: boolean) => store.redeem(id, requester, counts);
    const known = { id, path, subject: grant.subject };
    const refused = () => deny('invalid_token', { ...known, refused: true });
    const ask = (code: DenyCode) => deny(code, { ...known, page: pageOf(grant, path) });
    const confirmed = (redeemed: Redeemed | undefined) => {
      if (redeemed === undefined) return refused();
      const cookies = {
        ...(tokenCookie && { tokenCookie }),
        ...(redeemed === 'new' && { resumeCookie }),
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
    const check = () => tryPin(allow, redeem, pin, pinHash, deadline);
    const redeemed = await enqueue([requester.address ?? '', id], ({ alone }) => alone(check));
    if (redeemed === 'locked') return { ...refused(), locked: grant };
    return redeemed === 'wrong' ? ask('pin_wrong') : confirmed(redeemed);
  };

  /**
   * Redeems the token if the PIN is correct. The store counts each attempt before the check. `locked`: no
   * attempt is left, and the token is revoked. Undefined: no use is left, or the token is gone.
   */
  async function tryPin(
    { id, grant }: Allow,
    redeem: (counts: boolean) => Promise<Redeemed | undefined>,
    pin: string,
    pinHash: string,
    deadline: Deadline,
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
