import type { Finding, Rule } from '../finding.ts';
import { effective, inForce, type Location, own, title, turnedOn } from '../scope.ts';

/** An internal location that proxies: what it passes on, and what it caches. */
export const internalProxy: Rule = {
  id: 'internal-proxy',
  find: ({ internals }) =>
    internals
      .filter((location) => own(location, 'proxy_pass').length > 0)
      .flatMap((location) => [...cached(location), ...passesCredentials(location)]),
};

function cached(location: Location): readonly Finding[] {
  return ['proxy_cache', 'proxy_store'].flatMap((name) => {
    const at = turnedOn(location, name);
    if (at === undefined) return [];
    const place = `${location.at.file}:${location.at.line}`;
    const seen = `${name} ${at.args.join(' ')} is in force in ${title(location)} (${place})`;
    const why = 'nginx stores the file that one client fetched and sends it to the next client.';
    return [{ at, seen, why, fix: `${name} off; in that location` }];
  });
}

function passesCredentials(location: Location): readonly Finding[] {
  const passes = inForce(location, 'proxy_pass_request_headers')?.args[0] !== 'off';
  const blanked = effective(location, 'proxy_set_header')
    .filter(({ args }) => args[1] === '')
    .map(({ args }) => args[0]?.toLowerCase());
  const leaked = ['Authorization', 'Cookie'].filter(
    (name) => !blanked.includes(name.toLowerCase()),
  );
  if (!passes || leaked.length === 0) return [];
  return [
    {
      at: location.at,
      seen: `${title(location)} proxies, and passes the client's ${leaked.join(' and ')} on`,
      why: 'The other server receives tokens and session cookies, and may reject a request with two credentials.',
      fix: 'proxy_pass_request_headers off; proxy_method GET;',
    },
  ];
}
