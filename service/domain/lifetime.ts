import type { Client } from './client.ts';
import type { Fault } from './errors.ts';
import type { Uses } from './grant.ts';
import type { GrantRequest } from './grant-fields.ts';

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
