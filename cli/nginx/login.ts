import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';
import { isHost } from './address.ts';

/** The unencoded characters of a URL (RFC 3986), except those with a meaning for nginx. */
const URL_PARTS =
  /^(?:https?:\/\/([^/?#]+))?((?:\/[A-Za-z0-9._~:@!*(),+%-]*)*)(\?[A-Za-z0-9._~:@!*(),+%/?&=-]*)?$/;
const BROKEN_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const MAX_LENGTH = 1024;

/**
 * The URL of the login page, up to the place of the requested URL: `/login?return=`. A URL that ends with
 * `=` names its own parameter. A page on another host receives the name of this host, if it is known.
 */
export function readLogin(
  value: Given,
  publicUrl: string | undefined,
  faults: Faults,
): string | undefined {
  const text = String(value.value);
  const [found, host, path = ''] = URL_PARTS.exec(text) ?? [];
  // With two slashes the second would begin a host.
  const legal = host === undefined ? /^\/(?!\/)/.test(path) : isHost(host);
  if (found === undefined || !legal || BROKEN_PERCENT.test(text) || text.length > MAX_LENGTH) {
    return faults.add(
      value,
      'a path of this site or a whole URL, such as /login or https://login.example/?next=, ' +
        'without user and #, and with every other character than letters, digits and ._~:@!*(),+- percent-encoded',
    );
  }
  const page = text.endsWith('=') ? text : `${text}${text.includes('?') ? '&' : '?'}return=`;
  return host === undefined ? page : `${page}${encodeURIComponent(publicUrl ?? '')}`;
}
