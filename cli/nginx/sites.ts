import type { ConfigErrors } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import { siteName } from '../../service/config/values.ts';
import type { Mount } from '../../service/domain/mount.ts';
import { given } from './values.ts';

/** A server block, and its locations. */
export interface Site {
  readonly name: string;
  readonly publics: readonly string[];
  readonly internals: readonly string[];
}

/**
 * A server block for each site that a mount or `--server-name` names; with neither, one for every
 * name. A mount that names no site is in each of them.
 */
export function planSites(
  mounts: readonly Mount[],
  serverNames: readonly string[],
  faults: ConfigErrors,
): readonly Site[] {
  const named = serverNames.map((name) => given('--server-name', name));
  for (const { site } of mounts) {
    if (site !== undefined) named.push(given('the site of a mount', site));
  }
  const names = new Set(named.flatMap((name) => readServerName(name, faults) ?? []));
  if (named.length === 0) names.add('_');
  for (const prefix of new Set(mounts.flatMap((mount) => [mount.prefix, mount.internal]))) {
    if (Buffer.byteLength(word(prefix)) > MAX_WORD_BYTES) {
      faults.add(
        given('the prefix of a mount', prefix),
        'a shorter prefix: nginx cannot read one of this length',
      );
    }
  }
  return [...names].map((name) => {
    const own = mounts.filter(({ site }) => site === undefined || site === name);
    return {
      name,
      publics: [...new Set(own.map(({ prefix }) => prefix))],
      internals: [...new Set(own.map(({ internal }) => internal))],
    };
  });
}

/** The most that a name in the DNS has. */
const MAX_LENGTH = 253;

/** The first name of a server block, `$server_name`: more narrow than what a mount may say. */
export function readServerName(value: SourcedValue, faults: ConfigErrors): string | undefined {
  const { data: name, error } = siteName.safeParse(value.value);
  if (error) return faults.add(value, error.issues[0]?.message ?? '');
  if (name.startsWith('*.') && name.endsWith('.*')) {
    return faults.add(value, 'a name with at most one *: *.files.example or files.*');
  }
  if (name.length <= MAX_LENGTH) return name;
  return faults.add(value, `a name of at most ${MAX_LENGTH} characters`);
}

/** What nginx reads as one word without quotes. */
const BARE = /^[A-Za-z0-9_./:*\-[\]]+$/;

/** The maximum length of a word in nginx, in bytes, with room for its quotes (ngx_conf_file.c). */
export const MAX_WORD_BYTES = 4000;

/**
 * A text as one word of a configuration, by the rules of ngx_conf_read_token: in double quotes only
 * `"` and `\` mean anything. A `$` is left as it is, so it must be a place in which nginx looks for no
 * variables, such as a location's prefix.
 */
export function word(text: string): string {
  return BARE.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
