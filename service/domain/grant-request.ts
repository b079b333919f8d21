import { rangeFault } from './address.ts';
import type { Client } from './client.ts';
import { MAX_COOKIE_PATH_LENGTH } from './cookie-path.ts';
import type { Fault, Faults } from './errors.ts';
import type { Grant, Uses } from './grant.ts';
import { type GrantRequest, keptFieldsOf } from './grant-fields.ts';
import type { Mounts } from './mount.ts';
import { encodePath } from './path.ts';
import { type Place, placeOf } from './resolve-mount.ts';
import { faultReach } from './target.ts';

/** A grant whose times are not set yet. */
export interface AskedGrant {
  readonly grant: Omit<Grant, 'issuedAt' | 'expiresAt'>;
  readonly place: Place;
  /** Seconds. */
  readonly expiresIn: number;
}

export interface AskedGrantOptions {
  readonly mounts: Mounts;
  readonly defaults: Defaults;
}

/** The grant that a client asks for, or adds what is wrong with it to `faults`. */
export function askedGrant(
  request: GrantRequest,
  client: Client,
  { mounts, defaults }: AskedGrantOptions,
  at: string,
  faults: Faults,
): AskedGrant | undefined {
  const place = placeOf(request, mounts, at, faults.malformed);
  const { expiresIn, uses } = lifetimeOf(request, client, defaults, at, faults.malformed);
  faultAddresses(request, at, faults.malformed);
  if (place === undefined) return undefined;
  faultCookie(request, place, at, faults.malformed);
  faultReach(request, place, client, mounts, at, faults);
  const grant = { ...grantOf(request, client, place), ...(uses !== undefined && { uses }) };
  return { grant, place, expiresIn };
}

function faultAddresses({ ip = [] }: GrantRequest, at: string, faults: Fault[]): void {
  for (const [i, range] of ip.entries()) {
    const detail = rangeFault(range);
    if (detail !== undefined) faults.push({ pointer: `${at}/ip/${i}`, detail });
  }
}

function faultCookie(
  { cookie }: GrantRequest,
  { field, covers, mount }: Place,
  at: string,
  faults: Fault[],
): void {
  if (!cookie) return;
  const fault = (detail: string) => faults.push({ pointer: `${at}/cookie`, detail });
  if (field === 'path') fault('needs a prefix: the cookie is for a folder');
  if (mount.pathArgument !== undefined) {
    fault('needs a mount whose paths stand in the URL, not in an argument');
  }
  if (encodePath(covers).length > MAX_COOKIE_PATH_LENGTH) {
    fault(`needs a prefix of at most ${MAX_COOKIE_PATH_LENGTH} characters, percent-encoded`);
  }
}

function grantOf(
  request: GrantRequest,
  client: Client,
  { mount, site, covers }: Place,
): AskedGrant['grant'] {
  const { site: _, subject = client.subject, ...kept } = keptFieldsOf(request);
  return {
    client: client.id,
    mount: mount.id,
    covers,
    ...(site !== undefined && { site }),
    ...(subject !== undefined && { subject }),
    ...kept,
  };
}

/** Seconds, where a request names none. */
export interface Defaults {
  readonly expiresIn: number;
  /** Of a token with `max_uses`. */
  readonly resumeFor: number;
}

/** How long a grant lasts, and for how many; what a request may not ask for goes to `faults`. */
export function lifetimeOf(
  request: GrantRequest,
  client: Client,
  defaults: Defaults,
  at: string,
  faults: Fault[],
): { expiresIn: number; uses: Uses | undefined } {
  const { max_uses: max, bind } = request;
  const expiresIn = request.expires_in ?? Math.min(defaults.expiresIn, client.maxExpiresIn);
  const usual = max === undefined ? 0 : Math.min(defaults.resumeFor, client.maxResumeFor);
  const resumeFor = request.resume_for ?? usual;
  fault('expires_in', aboveFault(expiresIn, client.maxExpiresIn));
  fault('resume_for', aboveFault(resumeFor, client.maxResumeFor));
  if (max === undefined && resumeFor === 0) {
    fault('bind', bind && 'needs max_uses or resume_for: else no requester is told from another');
    return { expiresIn, uses: undefined };
  }
  const uses: Uses = {
    ...(max !== undefined && { max }),
    resumeFor,
    ...(bind === 'cookie' && { cookieOnly: true }),
  };
  return { expiresIn, uses };

  function fault(field: string, detail: string | undefined): void {
    if (detail !== undefined) faults.push({ pointer: `${at}/${field}`, detail });
  }
}

/** What forbids a number of seconds to a client; undefined if nothing does. */
export function aboveFault(seconds: number, max: number): string | undefined {
  return seconds <= max ? undefined : `must be at most ${max}, this client's maximum`;
}
