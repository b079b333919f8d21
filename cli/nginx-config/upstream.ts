import type { Directive } from './directive.ts';
import { type Location, own } from './scope.ts';
import { isQuestion, type Site } from './site.ts';

/** The locations whose requests go to a gate. */
export function asking({ servers, gates }: Site): readonly Location[] {
  const questions = servers.flatMap(({ locations }) => locations.filter(isQuestion));
  const passing = gates.filter(({ way }) => way === 'X-Accel').map(({ location }) => location);
  return [...questions, ...passing];
}

/** The upstreams of gates. */
export function upstreamsOf(site: Site): readonly Directive[] {
  const urls = asking(site).flatMap((location) => own(location, 'proxy_pass'));
  const hosts = new Set(urls.map(({ args }) => /^https?:\/\/([^/:]+)/.exec(args[0] ?? '')?.[1]));
  return own(site.http, 'upstream').filter(({ args }) => hosts.has(args[0]));
}
