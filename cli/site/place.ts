import { WrongUsage } from '../failure.ts';
import type { Place } from './raw-http.ts';

/**
 * Where the site of a URL is reached; `connect`, `host:port`, is another place to connect to, as curl's
 * --connect-to.
 *
 * @throws WrongUsage
 */
export function placeOf(address: string, connect: string | undefined): Place {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new WrongUsage(
      `expected the URL of a site such as https://files.example/, got ${address}`,
    );
  }
  const { pathname, search, hash, username, password } = url;
  if (pathname !== '/' || search || hash || username || password) {
    throw new WrongUsage(
      'the URL of the site must not have a path, query or user; --path names the canary',
    );
  }
  const tls = url.protocol === 'https:';
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const to = connect === undefined ? undefined : /^(.+):(\d{1,5})$/.exec(connect);
  if (connect !== undefined && !to) {
    throw new WrongUsage(`--connect: expected host:port, got ${connect}`);
  }
  const [, host = name, port = url.port || (tls ? '443' : '80')] = to ?? [];
  return { tls, name, authority: url.host, host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
