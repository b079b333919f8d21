import type { Mount } from '../paths/mount.ts';
import type { GateRequest } from './decision.ts';

/** How much nginx's clock may be ahead of this process. */
const MAX_AHEAD_MS = 5000;

/** `$msec`: seconds with three decimals. */
const SECONDS = /^\d{10}\.\d{3}$/;

/**
 * When a download began that nginx cuts into slices: its later slices are judged at that time (slices.conf). Undefined
 * if the mount is not cut, or if nothing says when: then it begins now. A text is the reason for a denial.
 */
export function startOf(
  { started }: Pick<GateRequest, 'started'>,
  mount: Mount | undefined,
  now: number,
): number | string | undefined {
  if (mount?.downloadTime === undefined || started === undefined || started === '')
    return undefined;
  if (!SECONDS.test(started)) return 'Postern-Started: is not a time';
  const at = Math.round(Number(started) * 1000);
  if (at > now + MAX_AHEAD_MS) return "Postern-Started: is later than now by Postern's clock";
  if (at < now - mount.downloadTime * 1000)
    return "Postern-Started: is longer ago than the mount's download_time";
  return at;
}
