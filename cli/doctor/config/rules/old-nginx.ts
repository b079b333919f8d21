import type { SiteConfig } from '../site.ts';
import type { Trap } from '../trap.ts';
import { isBefore } from '../version.ts';

/** The worst of what an nginx before each version lacks: https://nginx.org/en/CHANGES. The tests run on 1.22. */
const NEEDED: ReadonlyArray<readonly [since: readonly number[], lack: string]> = [
  [[1, 19, 3], 'It does not know proxy_cookie_flags, so it rejects the snippets.'],
  [[1, 21, 1], 'It accepts spaces and control characters in the request line and in header names.'],
  [[1, 22, 0], 'The snippets are not tested on it.'],
];

/** An nginx that is too old. Unknown if the input does not contain the output of `nginx -V`. */
export function tooOld({ http, version }: SiteConfig): readonly Trap[] {
  if (version === undefined) return [];
  const lack = NEEDED.find(([since]) => isBefore(version.numbers, since));
  if (lack === undefined) return [];
  const fix = 'nginx 1.22 or newer, with the security fixes of your distribution';
  return [{ at: http.at, seen: version.text, why: lack[1], fix }];
}
