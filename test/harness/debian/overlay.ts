import { tryRun } from '../run.ts';
import { unpackedAt } from './packages.ts';

// The mounts are in a namespace of their own, and in memory: they end with the process. The script gets a
// network with nothing but a loopback address.
const ENTER = `
set -e
folder=$1; script=$2; shift 2
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
for package in "$@"; do [ ! -e "$package" ] || cp -r --preserve=mode,links "$package/." /mnt/root; done
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs tmpfs /mnt/root/run
mkdir /mnt/root/run/lock
mount --rbind -o ro "$folder" /mnt/root/mnt
ip link set lo up
exec chroot /mnt/root /bin/sh -euc "$script"
`;

export interface Overlay {
  /** A folder that the script sees, read-only, as /mnt. */
  readonly folder: string;
  /** Debian packages whose files are there too, if .cache/ has them. Others are installed. */
  readonly packages?: readonly string[];
  readonly env?: Record<string, string>;
}

/**
 * Runs a shell script as root in a copy of this machine's root file system. What it changes is lost, what it
 * starts is killed, and it has no network. Needs root, and overlay mounts.
 */
export function inOverlay(script: string, { folder, packages = [], env = {} }: Overlay) {
  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
  const args = ['sh', folder, script, ...packages.map(unpackedAt)];
  return tryRun('unshare', [...namespaces, 'sh', '-c', ENTER, ...args], env);
}

/** Why inOverlay does not work here; undefined if it does. */
export async function noOverlay(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a copy of the root file system needs root';
  const { ok, output } = await inOverlay(':', { folder: '/mnt' });
  return ok ? undefined : `a copy of the root file system cannot be mounted: ${output.trim()}`;
}
