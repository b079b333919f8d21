import { rangeFault } from './address.ts';
import type { Client } from './client.ts';
import { MAX_COOKIE_PATH_LENGTH } from './cookie-path.ts';
import type { Fault, Faults } from './errors.ts';
import type { Grant } from './grant.ts';
import { type GrantRequest, keptFieldsOf } from './grant-fields.ts';
import { type Defaults, lifetimeOf } from './lifetime.ts';
import type { Mounts } from './mount.ts';
import { encodePath } from './path.ts';
import { type Place, placeOf } from './place.ts';
import { faultReach } from './reach.ts';

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
