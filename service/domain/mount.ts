/** A public prefix and the internal prefix that serves it. All in decoded form. */
export interface Mount {
  /** Site and public prefix together: what a grant remembers of its mount. */
  readonly id: string;
  /** nginx's `$server_name`, in lower case; absent: every site. */
  readonly site?: string;
  /** Ends with a slash, as the internal prefix does. */
  readonly prefix: string;
  readonly internal: string;
  /** The query argument that holds the path, for scripts such as `/download/?file=a.log`. */
  readonly pathArgument?: string;
  /** Names of the query arguments that go on to the internal location. */
  readonly passArguments: readonly string[];
}

/** A site that no mount names is `undefined`. */
export interface Mounts {
  /** The mount that serves a path on a site: the longest match, the site's own first. */
  find(site: string | undefined, path: string): Mount | undefined;
  /** Every mount that a site has. */
  on(site: string | undefined): readonly Mount[];
  /** The sites that mounts name. */
  readonly sites: readonly string[];
  /** Every mount whose public prefix the path lies under, longest first. */
  over(path: string): readonly Mount[];
  readonly all: readonly Mount[];
}

export function mountId(site: string | undefined, prefix: string): string {
  return (site ?? '') + prefix;
}

export function createMounts(mounts: readonly Mount[]): Mounts {
  const all = [...mounts].sort(
    (a, b) => b.prefix.length - a.prefix.length || Number(!a.site) - Number(!b.site),
  );
  return {
    all,
    sites: [...new Set(all.flatMap(({ site }) => site ?? []))],
    on: (site) => all.filter((mount) => isOn(site, mount)),
    find(site, path) {
      for (const mount of all) {
        if (isOn(site, mount) && path.startsWith(mount.prefix)) return mount;
      }
      return undefined;
    },
    over: (path) => all.filter((mount) => path.startsWith(mount.prefix)),
  };
}

function isOn(site: string | undefined, mount: Mount): boolean {
  return mount.site === undefined || mount.site === site;
}
