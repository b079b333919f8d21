import { WrongUsage } from '../failure.ts';
import { plain } from '../plain.ts';

/** The default address of the API. */
const USUAL = 'http://127.0.0.1:7301';

/**
 * The origin of the API, `http://127.0.0.1:7301`, or with a path where a proxy gives it one. No slash
 * at the end.
 *
 * @throws WrongUsage
 */
export function apiAddress(option: string | undefined, variable: string | undefined): string {
  const given = option ?? (variable || USUAL);
  const field = option === undefined ? 'POSTERN_API' : '--api';
  const url = /^https?:\/\/[^\s\\]+$/i.test(given) && URL.canParse(given) ? new URL(given) : null;
  if (url === null) {
    throw new WrongUsage(`${field}: expected a URL such as ${USUAL}, got ${plain(given)}`);
  }
  const { username, password, search, hash } = url;
  // Not shown: it may hold a password.
  if (username + password + search + hash !== '') {
    throw new WrongUsage(`${field}: expected a URL without user, query and #, such as ${USUAL}`);
  }
  return url.href.replace(/\/+$/, '');
}
