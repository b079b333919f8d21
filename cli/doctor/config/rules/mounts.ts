import type { Mount } from '../../../../service/domain/mount.ts';
import { type Location, prefixMatch, type Server, title } from '../context.ts';
import { mountsOf, type SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';

/** Mounts without a location, and locations without a mount. */
export function mountMismatch(site: SiteConfig): readonly Trap[] {
  if (site.mounts === undefined) return [];
  const all = site.mounts;
  return [
    ...all.flatMap((mount) => unserved(mount, site)),
    ...site.gates.flatMap(({ location }) => unmounted(location, 'prefix', all)),
    ...site.internals.flatMap((location) => unmounted(location, 'internal', all)),
  ];
}

function unserved(
  mount: Mount,
  { http, servers, gates, internals }: SiteConfig,
): Trap | readonly Trap[] {
  const isGate = (one: Location | undefined) => gates.some(({ location }) => location === one);
  const isInternal = (one: Location | undefined) => internals.some((location) => location === one);
  const shown = `${mount.site === undefined ? '' : `${mount.site}:`}${mount.prefix}=${mount.internal}`;
  const named = servers.filter((server) => mountsOf(server, [mount]).length > 0);
  const asking = named.filter((server) => isGate(prefixMatch(server, mount.prefix)));
  if (asking.length === 0) {
    return {
      at: pointOf(named, mount.prefix) ?? http.at,
      seen: `the mount ${shown} has no location for ${mount.prefix}`,
      why: 'Postern issues tokens for it, but their URLs lead to a location that does not ask the gate, or to no location.',
      fix: `location ^~ ${mount.prefix} { include postern/protect.conf; }`,
    };
  }
  return asking
    .filter((server) => !isInternal(prefixMatch(server, mount.internal)))
    .map((server) => ({
      at: pointOf([server], mount.internal) ?? server.at,
      seen: `the mount ${shown} has no location for ${mount.internal}`,
      why: 'Allowed requests lead to a location that is not an internal location: nginx serves nothing, or without the checks of internal.conf.',
      fix: `location ^~ ${mount.internal} { include postern/internal.conf; include postern/headers.conf; alias /…/; }`,
    }));
}

/** The location that matches the prefix now, if it is not `/`. */
function pointOf(servers: readonly Server[], prefix: string) {
  const [server] = servers;
  if (server === undefined) return undefined;
  const now = prefixMatch(server, prefix);
  return now === undefined || now.path === '/' ? server.at : now.at;
}

function unmounted(
  location: Location,
  side: 'prefix' | 'internal',
  all: readonly Mount[],
): Trap | readonly Trap[] {
  const here = mountsOf(location.server, all).map((mount) => mount[side]);
  const { path, at } = location;
  if (here.some((prefix) => prefix.startsWith(path) || path.startsWith(prefix))) return [];
  const gate =
    'The gate answers each request of this location with 403: Postern issues no tokens for it.';
  const files = 'No request that the gate allows leads to this location.';
  const [server = 'the site'] = location.server.names;
  return {
    at,
    seen: `${title(location)} has no mount on ${server}`,
    why: side === 'prefix' ? gate : files,
    fix: side === 'prefix' ? `POSTERN_MOUNTS=${path}=/…/` : `POSTERN_MOUNTS=/…/=${path}`,
  };
}
