import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import type { Settings } from './names.ts';

const SAME_SITE = ['Lax', 'Strict', 'None'] as const;

/** Attributes of the cookies that Postern sets. */
export interface CookieSettings {
  /** `None` is for players embedded in another site's page. */
  readonly sameSite: (typeof SAME_SITE)[number];
  /** False is for development on plain HTTP, where browsers drop a Secure cookie. */
  readonly secure: boolean;
}

export function readCookies(settings: Settings, faults: Faults): CookieSettings {
  const given = settings.get('cookie_samesite');
  const givenSecure = settings.get('cookie_secure');
  const sameSite = (given && readSameSite(given, faults)) ?? 'Lax';
  const secure = (givenSecure && readSecure(givenSecure, faults)) ?? true;
  // RFC 6265bis, storage model: such a cookie is ignored altogether.
  if (given && givenSecure && sameSite === 'None' && !secure) {
    faults.add(
      givenSecure,
      'true, because browsers drop a cookie with SameSite=None that is not Secure; ' +
        `or set ${given.field} to lax or strict`,
    );
  }
  return { sameSite, secure };
}

function readSameSite(given: Given, faults: Faults): CookieSettings['sameSite'] | undefined {
  const text = typeof given.value === 'string' ? given.value.toLowerCase() : '';
  const sameSite = SAME_SITE.find((known) => known.toLowerCase() === text);
  return sameSite ?? faults.add(given, 'lax, strict or none');
}

/** In the environment there is only text. */
function readSecure(given: Given, faults: Faults): boolean | undefined {
  if (given.value === true || given.value === 'true') return true;
  if (given.value === false || given.value === 'false') return false;
  return faults.add(given, 'true or false');
}
