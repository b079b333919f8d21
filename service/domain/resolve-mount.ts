import type { Fault } from './errors.ts';
import type { GrantRequest } from './grant-fields.ts';
import type { Mount, Mounts } from './mount.ts';
import { pathFault, prefixFault } from './path.ts';
import { tokenSegment } from './request-uri.ts';

/** What a request is for: a path or a folder of a mount. */
export interface Place {
  readonly mount: Mount;
  /** Only set where the mount itself serves every site. */
  readonly site?: string;
  readonly covers: string;
  readonly field: 'path' | 'prefix';
}

/** Finds the mount of a request, or adds what is wrong with it to `faults`. */
export function placeOf(
  request: GrantRequest,
  mounts: Mounts,
  at: string,
  faults: Fault[],
): Place | undefined {
  const { path, prefix } = request;
  if ((path === undefined) === (prefix === undefined)) {
    faults.push({ pointer: at, detail: 'must have exactly one of path and prefix' });
    return undefined;
  }
  const field = path === undefined ? 'prefix' : 'path';
  const covers = (path ?? prefix) as string;
  const fault = path === undefined ? prefixFault(covers) : pathFault(covers);
  if (fault !== undefined) {
    faults.push({ pointer: `${at}/${field}`, detail: fault });
    return undefined;
  }
  const site = request.site?.toLowerCase();
  const mount = mountFor(mounts, site, covers);
  if (mount === 'ambiguous') {
    faults.push({ pointer: `${at}/site`, detail: 'must name the site: several have this prefix' });
    return undefined;
  }
  if (mount === undefined) {
    faults.push({ pointer: `${at}/${field}`, detail: 'must lie under the prefix of a mount' });
    return undefined;
  }
  if (tokenSegment(covers, mount.prefix) !== undefined) {
    faults.push({
      pointer: `${at}/${field}`,
      detail: 'must not begin with what looks like a token',
    });
    return undefined;
  }
  return {
    mount,
    covers,
    field,
    ...(site !== undefined && mount.site === undefined && { site }),
  };
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
