import type { RequestErrors } from './errors.ts';
import type { GrantRequest } from './grant-fields.ts';
import { pathError, prefixError } from './path.ts';
import { tokenSegment } from './token.ts';

/** A public prefix and the internal prefix that serves it, both decoded. */
export interface Mount {
  /** Site and public prefix: a grant names its mount by this ID. */
  readonly id: string;
  /** nginx's `$server_name` in lower case; absent: every site. */
  readonly site?: string;
  /** Both prefixes end with a slash. */
  readonly prefix: string;
  readonly internal: string;
  /** The query argument that holds the path, for URLs such as `/download/?file=a.log`. */
  readonly pathArgument?: string;
  /** Query arguments that are passed on to the internal location. */
  readonly passArguments: readonly string[];
  /** The files are in an object store that requires a signature for each request; absent: in a folder. */
  readonly sign?: SignFile;
}

/** Seconds for which nginx may reuse a signature: it must stay valid for retries and other clocks. */
export const MAX_SIGNATURE_REUSE = 30;

/** Signs a request for a file, by its name below the internal prefix. */
export type SignFile = (name: string) => SignedFile;

export interface SignedFile {
  /** The name, percent-encoded exactly as it is signed. */
  readonly object: string;
  /** The query with the signature. */
  readonly args: string;
}

export type Mounts = ReturnType<typeof createMounts>;

export function mountId(site: string | undefined, prefix: string): string {
  return (site ?? '') + prefix;
}

/** Finds mounts. A site is `undefined` if no mount names it. */
export function createMounts(mounts: readonly Mount[]) {
  const all: readonly Mount[] = [...mounts].sort(
    (a, b) => b.prefix.length - a.prefix.length || Number(!a.site) - Number(!b.site),
  );
  const sites: readonly string[] = [...new Set(all.flatMap(({ site }) => site ?? []))];
  return {
    all,
    /** The sites that mounts name. */
    sites,
    /** Every mount of a site. */
    on: (site: string | undefined): readonly Mount[] => all.filter((mount) => isOn(site, mount)),
    /** The mount that serves a path on a site: the longest prefix, the site's own mount first. */
    find(site: string | undefined, path: string): Mount | undefined {
      for (const mount of all) {
        if (isOn(site, mount) && path.startsWith(mount.prefix)) return mount;
      }
      return undefined;
    },
    /** Every mount whose public prefix contains the path, longest first. */
    over: (path: string): readonly Mount[] => all.filter(({ prefix }) => path.startsWith(prefix)),
  };
}

function isOn(site: string | undefined, mount: Mount): boolean {
  return mount.site === undefined || mount.site === site;
}

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
