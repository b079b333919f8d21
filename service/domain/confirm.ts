import type { Deadline } from './deadline.ts';
import type { Allow, Confirmation, ConfirmPage, Decision, Deny, DenyCode } from './decision.ts';
import { type Grant, isFolder } from './grant.ts';
import type { TryPin } from './pin.ts';
import type { Redeemed } from './requester.ts';

/** A request with a token that needs a confirmation, and that the token covers. */
export interface Confirming {
  /** The decision for a requester that has confirmed. */
  readonly allow: Allow;
  /** Absent: GET or HEAD. */
  readonly confirmation: Confirmation | undefined;
  /** For a new requester. */
  readonly resumeCookie: Allow['resumeCookie'];
  readonly redeem: (counts: boolean) => Promise<Redeemed | undefined>;
  readonly deadline: Deadline | undefined;
}

/**
 * Decides with `confirm`: GET and HEAD never take a use, because link scanners send them. A POST takes
 * one, and releases no file.
 */
export async function confirm(asked: Confirming, tryPin: TryPin): Promise<Decision> {
  const { allow, confirmation, resumeCookie, redeem, deadline } = asked;
  const { id, grant, path, tokenCookie } = allow;
  const { pinHash } = grant;
  const deny = (code: DenyCode, more: Partial<Deny>): Deny => {
    return { allow: false, code, id, path, subject: grant.subject, ...more };
  };
  const refused = () => deny('invalid_token', { refused: true });
  const locked = () => deny('invalid_token', { refused: true, locked: grant });
  const ask = (code: DenyCode) => deny(code, { page: pageOf(grant, path) });
  const confirmed = (redeemed: Redeemed | undefined) => {
    if (redeemed === undefined) return refused();
    const cookies = {
      ...(tokenCookie && { tokenCookie }),
      ...(resumeCookie && redeemed === 'new' && { resumeCookie }),
    };
    return deny('confirmed', { confirmed: { grant, redeemed, ...cookies } });
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
  // Nobody typed a PIN: not an attempt.
  if (pin === undefined || pin === '') return ask('pin_required');
  const redeemed = await tryPin({ id, grant, pinHash, pin, redeem }, deadline);
  if (redeemed === 'locked') return locked();
  return redeemed === 'wrong' ? ask('pin_wrong') : confirmed(redeemed);
}

function pageOf(grant: Grant, path: string): ConfirmPage {
  const { covers, filename, expiresAt } = grant;
  const [name = ''] = (isFolder(covers) ? covers.slice(0, -1) : path).split('/').slice(-1);
  return { file: filename ?? name, until: expiresAt };
}

/**
 * Whether a POST comes from a page of the site itself, or from a program, which sends neither header.
 * nginx behind a load balancer does not know the scheme, so only the hosts are compared.
 */
export function isSameOrigin({ fetchSite, origin, host }: Confirmation): boolean {
  if (fetchSite !== undefined) return fetchSite === 'same-origin';
  // Without a host, nginx' configuration is not that of the snippets, and may drop Origin too.
  if (origin === undefined) return host !== undefined;
  const [, of = ''] = /^https?:\/\/(.+)$/i.exec(origin) ?? [];
  return of !== '' && of.toLowerCase() === host?.toLowerCase();
}
