import { isFolder } from './grant.ts';
import type { Mount } from './mount.ts';
import { encodePath } from './path.ts';

/**
 * The URL at which a token is used, as a path with its query.
 *
 * A file takes its token in the query. A folder takes it as a segment, so that relative links
 * inherit it; where the mount reads its path from an argument, that argument comes last and the
 * holder of the token appends the rest to it.
 */
export function urlFor(mount: Mount, covers: string, token: string): string {
  const rest = covers.slice(mount.prefix.length);
  const base = encodePath(mount.prefix);
  const { pathArgument } = mount;
  if (pathArgument !== undefined) {
    return `${base}?token=${token}&${pathArgument}=${encodePath(rest)}`;
  }
  return isFolder(covers)
    ? `${base}~${token}/${encodePath(rest)}`
    : `${base}${encodePath(rest)}?token=${token}`;
}
