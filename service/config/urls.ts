import { isWithin } from '../site/address.ts';
import { parseStoreUrl, STORE_EXPECTED } from '../store/connection/url.ts';
import { checked, LOOPBACK } from './values.ts';

// The schemas of URLs, as in values.ts.

export const storeUrl = checked((text) => {
  const url = parseStoreUrl(text);
  return 'expected' in url ? url.expected : undefined;
}, STORE_EXPECTED);

export function parseUrl(text: string): URL | undefined {
  return /^https?:\/\/[^\s\\]+$/i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
}

const ORIGIN = 'an origin such as https://files.example';

/** The origin before the paths of issued URLs, `https://files.example`, without a slash at the end. */
export const publicUrl = checked((text) => {
  const url = parseUrl(text);
  if (url === undefined) return ORIGIN;
  if (url.username + url.password !== '') {
    return 'an origin without user name and password: https://files.example';
  }
  return url.pathname + url.search + url.hash === '/'
    ? undefined
    : 'an origin without a path, such as https://files.example: the public prefix follows it';
}, ORIGIN).transform((text) => new URL(text).origin);

const JWKS_EXAMPLE = 'such as https://login.example/jwks.json';

/** Only https: over plain HTTP, an attacker could send other keys. Loopback does not leave the machine. */
export const jwksUri = checked((text) => {
  const url = /^https?:/.test(text) ? parseUrl(text) : undefined;
  if (url === undefined) return `an https URL, ${JWKS_EXAMPLE}`;
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return `an https URL, ${JWKS_EXAMPLE}: http is only for 127.0.0.1, [::1] or localhost`;
  }
  return url.username + url.password + url.hash === ''
    ? undefined
    : `a URL without user name, password and #, ${JWKS_EXAMPLE}`;
}, `an https URL, ${JWKS_EXAMPLE}`);

const WEBHOOK = 'an https URL, such as https://app.example/postern-events';

/** Plain HTTP is only for addresses in webhook_allow. They are checked when the name is looked up. */
export const webhookUrl = checked((text) => {
  const url = parseUrl(text);
  return url === undefined || url.username + url.password + url.hash !== ''
    ? `${WEBHOOK}, without user name, password and #`
    : undefined;
}, WEBHOOK);

export function isLoopback(host: string): boolean {
  return host === 'localhost' || isWithin(host.replace(/^\[|\]$/g, ''), LOOPBACK);
}
