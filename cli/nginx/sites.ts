import type { Faults } from '../../service/config/fault.ts';
import type { Mount } from '../../service/domain/mount.ts';
import { given } from './given.ts';
import { readServerName } from './site-name.ts';
import { MAX_WORD_BYTES, word } from './word.ts';

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
  faults: Faults,
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
