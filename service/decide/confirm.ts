import { type Grant, isFolder } from '../token/grant.ts';
import { type Store, Unacknowledged } from '../token/store.ts';
import type { Redeemed, Requester } from '../token/uses.ts';
import { isPinHmac, MAX_PIN_ATTEMPTS, matchesPin } from '../token/uses.ts';
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

type ConfirmStore = Pick<Store, 'find' | 'redeem' | 'countAttempt' | 'revoke'>;

/**
 * With `confirm`, GET and HEAD never take a use, because link scanners send them. A POST takes one, and gets no file.
 * `allow` is for a requester that has confirmed, `resumeCookie` for a new one. GET and HEAD have no `confirmation`.
 */
export async function confirm(
  store: ConfirmStore,
  token: string,
  allow: Allow,
  resumeCookie: Cookie,
  requester: Requester,
  confirmation: Confirmation | undefined,
  deadline: Deadline,
  at: number | undefined,
): Promise<Decision> {
  const { id, grant, path, tokenCookie } = allow;
  const { pinHmac } = grant;
  const redeem = (counts: boolean) => store.redeem(id, requester, counts, at);
  const facts = { id, path, subject: grant.subject };
  const refused = () => deny('invalid_token', { ...facts, refused: true });
  const ask = (code: DenyCode, left?: number) =>
    deny(code, { ...facts, page: { ...pageOf(grant, path), ...(left && { left }) } });
  const confirmed = (redeemed: Redeemed | undefined): Decision => {
    if (redeemed === undefined) return refused();
    const cookies = {
      ...(tokenCookie && { tokenCookie }),
      ...(redeemed === 'new' && { resumeCookie }),
    };
    return { allow: false, code: 'confirmed', id, grant, path, redeemed, ...cookies };
  };

  if (confirmation === undefined) {
    const redeemed = await redeem(false);
    if (redeemed === undefined) return refused();
    if (redeemed === 'known') return { ...allow, redeemed };
    return ask(pinHmac === undefined ? 'confirmation_required' : 'pin_required');
  }

  if (pinHmac === undefined) return confirmed(await redeem(true));
  if (!isPinHmac(pinHmac)) return refused();
  const seen = await redeem(false);
  if (seen !== 'new') return confirmed(seen);
  const { pin } = confirmation;
  // A form that has no PIN is not an attempt.
  if (pin === undefined || pin === '') return ask('pin_required');
  const isRight = matchesPin(token, pin, pinHmac);
  const redeemed = await tryPin(store, allow, redeem, isRight, deadline);
  if (redeemed === 'locked') return { ...refused(), locked: grant };
  return typeof redeemed === 'number' ? ask('pin_wrong', redeemed) : confirmed(redeemed);
}

/**
 * Redeems the token if the PIN is right. The store counts each attempt first, so that simultaneous ones have one limit.
 * A number: the PIN is wrong, and so many attempts are left. `locked`: none is left, and the token is revoked. Undefined:
 * no use is left, or it is gone. Rejects if replicas do not acknowledge a wrong attempt: a failover would give more.
 */
async function tryPin(
  store: ConfirmStore,
  { id, grant }: Allow,
  redeem: (counts: boolean) => Promise<Redeemed | undefined>,
  isRight: boolean,
  deadline: Deadline,
): Promise<Redeemed | number | 'locked' | undefined> {
  if (deadline.late) throw deadline.late;
  // The token has ended even if no replica confirmed it. People must see why the link no longer opens.
  const orLocked = async (error: Error) => {
    if (error instanceof Unacknowledged && (await store.find(id)).grant === undefined) return 0;
    throw error;
  };
  const attempts = await store.countAttempt(id, MAX_PIN_ATTEMPTS, isRight).catch(orLocked);
  if (attempts === undefined) return undefined;
  if (attempts === 0) return 'locked';
  if (isRight) {
    if (deadline.late) throw deadline.late;
    return redeem(true);
  }
  if (attempts < MAX_PIN_ATTEMPTS) return MAX_PIN_ATTEMPTS - attempts;
  const revoked = await store.revoke(id, grant.client).catch(orLocked);
  return revoked === false ? undefined : 'locked';
}

function pageOf(grant: Grant, path: string): ConfirmPage {
  const { covers, filename, disposition, expiresAt, size, sender } = grant;
  const [name = ''] = (isFolder(covers) ? covers.slice(0, -1) : path).split('/').slice(-1);
  const more = { ...(size !== undefined && { size }), ...(sender && { sender }) };
  const page = { file: filename ?? name, until: expiresAt, ...more };
  if (isFolder(path)) return { ...page, opens: 'folder' };
  return disposition === 'inline' ? { ...page, opens: 'file' } : page;
}

/**
 * Whether a POST comes from a page of the site itself, or from a program, which sends neither header. nginx may not know
 * the scheme, so only the hosts are compared.
 */
export function isSameOrigin({ fetchSite, origin, host }: Confirmation): boolean {
  if (fetchSite !== undefined) return fetchSite === 'same-origin';
  // If there is no host, nginx does not use the snippets, and may drop Origin too.
  if (origin === undefined) return host !== undefined;
  const [, of = ''] = /^https?:\/\/(.+)$/i.exec(origin) ?? [];
  return of !== '' && of.toLowerCase() === host?.toLowerCase();
}
