import type { Mount, Mounts } from '../site/mount.ts';
import { pathError, prefixError } from '../site/path.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { RequestErrors } from './refused.ts';
import { tokenSegment } from './token.ts';

/** The mount of a request for a token, and the path or prefix that the token will cover. */
export interface ResolvedMount {
  readonly mount: Mount;
  /** Set only if the mount serves every site. */
  readonly site?: string;
  readonly covers: string;
  readonly field: 'path' | 'prefix';
}

function fileError(path: string): string | undefined {
  return path.endsWith('/')
    ? 'must not end with a slash: use prefix for a folder'
    : pathError(path);
}

/** Finds the mount of a request for a token, or adds to `errors`. */
export function resolveMount(
  { path, prefix, site: requestedSite }: GrantRequest,
  mounts: Mounts,
  errors: RequestErrors,
): ResolvedMount | undefined {
  if ((path === undefined) === (prefix === undefined)) {
    return errors.add('', 'must have exactly one of path and prefix');
  }
  const field = path === undefined ? 'prefix' : 'path';
  const covers = (path ?? prefix) as string;
  const invalid = path === undefined ? prefixError(covers) : fileError(covers);
  if (invalid !== undefined) return errors.add(field, invalid);
  const site = requestedSite?.toLowerCase();
  const mount = mountFor(mounts, site, covers);
  if (mount === 'ambiguous') {
    return errors.add('site', 'must name the site: several sites have this prefix');
  }
  if (mount === undefined) {
    return errors.add(field, 'must be under the prefix of a mount');
  }
  if (tokenSegment(covers, mount.prefix) !== undefined) {
    return errors.add(field, 'must not begin with what looks like a token');
  }
  const isForAnySite = site !== undefined && mount.site === undefined;
  return { mount, covers, field, ...(isForAnySite && { site }) };
}

function mountFor(
  mounts: Mounts,
  site: string | undefined,
  path: string,
): Mount | 'ambiguous' | undefined {
  if (site !== undefined) return mounts.find(site, path);
  const over = mounts.over(path);
  const longest = over.filter((mount) => mount.prefix.length === over[0]?.prefix.length);
  const everywhere = longest.find((mount) => mount.site === undefined);
  if (everywhere !== undefined || longest.length <= 1) return everywhere ?? longest[0];
  return 'ambiguous';
}
