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
  /** Seconds for which a browser may keep a file whose token is in the URL; absent: it keeps none. */
  readonly maxAge?: number;
  /** Seconds for which a download may run that nginx cuts into slices (slices.conf); absent: it cuts none. */
  readonly downloadTime?: number;
  /** The files are in an object store that requires a signature for each request; absent: in a folder. */
  readonly sign?: SignFile;
  /** Seconds for which nginx may reuse a decision at most, because a signature ends; absent: any number. */
  readonly maxReuse?: number;
}

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
    sites,
    /** The longest download that may run on any mount, in milliseconds. */
    downloadMs: Math.max(0, ...all.map(({ downloadTime = 0 }) => downloadTime)) * 1000,
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

/** Whether tokens of a mount may use a URI. An object store serves only those of its mount, which use no other URI. */
export function isServed(
  target: string,
  { sign }: Mount,
  site: string | undefined,
  mounts: Mounts,
): boolean {
  const serving = mounts.on(site).filter(({ internal }) => target.startsWith(internal));
  return serving.length > 0 && serving.every((mount) => mount.sign === sign);
}
