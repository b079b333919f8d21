import { type Grant, latestEndOf } from '../../token/grant.ts';
import type { Store } from '../../token/store.ts';
import type { Enter } from './issues.ts';
import { decodeRecord } from './record.ts';
import { END_CONFIRMED, PROLONG } from './scripts.ts';
import type { Shared } from './shared.ts';

interface ProlongingOptions {
  readonly enter: Enter;
  readonly find: Store['find'];
}

/** `later`: nothing has changed yet, because the new end is a later one. */
type Changed = { readonly grant: Grant; readonly isEarlier: boolean } | 'later' | undefined;

/**
 * Changes when a grant ends. An earlier end takes rights away, so it is confirmed like a revocation. A grant that
 * is gone may have ended by an earlier end that replicas do not have yet, so that is confirmed, too. A later end
 * is not confirmed: if it is lost, the token ends earlier.
 */
export function createProlonging(
  { connection, keys, run, replicas, confirmed, now }: Shared,
  { enter, find }: ProlongingOptions,
): Store['prolong'] {
  const { isCluster } = connection;

  return async function prolong(id, client, expiresAt) {
    const key = keys.grant(id);
    const leftMs = () => Math.max(1, expiresAt - now());
    const entryOf = (grant: Grant) => [id, leftMs() + latestEndOf(grant) - grant.expiresAt];
    let before: Grant | undefined;

    async function change(mayBeLater: boolean): Promise<Changed> {
      before ??= await find(id);
      if (before?.client !== client) return undefined;
      const indexes = isCluster || before.external ? [] : keys.indexes(before);
      const flags = [Number(replicas !== undefined), Number(mayBeLater)];
      const args = [client, expiresAt, leftMs(), ...flags, ...entryOf(before)];
      const reply = await run(PROLONG, [key, keys.uses(id), ...indexes], args);
      if (reply === 'later') return reply;
      if (!Array.isArray(reply)) return undefined;
      const [record, isEarlier] = reply;
      return { grant: decodeRecord(record) as Grant, isEarlier: isEarlier === 1 };
    }

    const isNeeded = (changed: Changed) =>
      changed === undefined || (changed !== 'later' && changed.isEarlier);
    const confirmedChange = (mayBeLater: boolean) =>
      confirmed(key, () => change(mayBeLater), isNeeded);

    let changed = await confirmedChange(!isCluster);
    if (changed === 'later' && before !== undefined) {
      // In a cluster, the entries come first, because the grant must not outlive them.
      const entry = entryOf(before);
      await Promise.all(keys.indexes(before).map((index) => enter(index, entry)));
      changed = await confirmedChange(true);
    }
    if (changed === undefined || changed === 'later') return undefined;
    // Nobody waits for it: if the mark stays, the next change of the end is confirmed without need.
    if (replicas) run(END_CONFIRMED, [key, keys.uses(id)], [expiresAt]).catch(() => {});
    return changed.grant;
  };
}
