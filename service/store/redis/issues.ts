import { together } from '../../coalesce.ts';
import { type Grant, latestEndOf } from '../../token/grant.ts';
import type { Entry, Store } from '../../token/store.ts';
import { byDigest, type Command } from '../connection/connection.ts';
import { unexpected } from '../connection/library.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { END_CONFIRMED, ENTER_ALL, ISSUE, PROLONG } from './scripts.ts';
import type { Shared } from './shared.ts';

/** Alternating: a token ID, and the milliseconds for which it stays in the index. */
type IndexEntries = ReadonlyArray<string | number>;

/** What ISSUE gets for a grant. */
interface Encoded {
  readonly names: readonly string[];
  readonly args: readonly [record: string, leftMs: number, indexedMs: number];
}

/** What one command may take: about a millisecond of Redis. Each grant takes GRANT_BYTES in addition to its record. */
const MAX_BYTES = 24 * 1024;
const GRANT_BYTES = 320;

/** `later`: nothing has changed yet, because the new end is a later one. */
type Changed = { readonly grant: Grant; readonly isEarlier: boolean } | 'later' | undefined;

/** Stores grants with their entries in the indexes, and changes when a grant ends. */
export function createIssues(
  { connection, keys, reply, run, replicas, confirmed, now }: Shared,
  find: Store['find'],
): Pick<Store, 'issue' | 'prolong'> {
  const { isCluster } = connection;
  const lifeOf = ({ expiresAt }: Grant) => Math.max(1, expiresAt - now());
  const entryLifeOf = (grant: Grant) => lifeOf(grant) + latestEndOf(grant) - grant.expiresAt;

  /** In a cluster, a failover could lose the entry but not the grant. A revocation of the subject would miss it. */
  function enter(index: string, entries: IndexEntries): Promise<unknown> {
    const add = () => run(ENTER_ALL, [index], entries);
    return isCluster ? confirmed(index, add) : add();
  }

  const runIssue = byDigest(connection.redis, ISSUE);

  /** The requests of one turn of the event loop in one script: a script for each takes Redis twice the time. */
  const issueEncoded = together<readonly Encoded[], void>(
    async (requests) => {
      const grants = requests.flat();
      const names = grants.flatMap((grant) => grant.names);
      const args = requests.flatMap((request, i) =>
        request.flatMap((grant) => [i + 1, ...grant.args]),
      );
      const results = await reply(() => runIssue(names, args));
      if (!Array.isArray(results) || results.length !== requests.length) throw unexpected();
      return results.map((result) => {
        if (result === 1) return undefined;
        if (!(result instanceof Error)) return unexpected();
        return connection.failureOf(Object.assign(result, { command: { name: 'evalsha' } }));
      });
    },
    MAX_BYTES,
    (request) => request.reduce((sum, { args: [record] }) => sum + GRANT_BYTES + record.length, 0),
  );

  const issueTogether = (issued: readonly Entry[]) =>
    issueEncoded(
      issued.map(([id, grant]): Encoded => {
        const [client = '', path = '', subject = path] = keys.indexes(grant);
        return {
          names: [keys.grant(id), client, path, subject],
          args: [encodeRecord(grant), lifeOf(grant), entryLifeOf(grant)],
        };
      }),
    );

  /**
   * The keys are on several masters, which no script can reach together. So this stores the grants first, then
   * the index. A revocation in between counts as earlier: it misses the grants, and the next one finds them. If
   * the index came first, a revocation in between would remove the entries, and no later revocation would find the
   * grants. If a write fails, some grants may be stored, but no client receives their tokens.
   */
  async function issueInCluster(issued: readonly Entry[]): Promise<void> {
    const commands = issued.map(([id, grant]): Command => {
      return ['set', keys.grant(id), encodeRecord(grant), 'PX', lifeOf(grant)];
    });
    await reply(async () => {
      for (const [error] of await connection.send(commands)) if (error) throw error;
    });
    await Promise.all([...entriesOf(issued)].map(([index, entries]) => enter(index, entries)));
  }

  function entriesOf(issued: readonly Entry[]): ReadonlyMap<string, IndexEntries> {
    const indexes = new Map<string, Array<string | number>>();
    for (const [id, grant] of issued) {
      for (const index of keys.indexes(grant)) {
        const entries = indexes.get(index) ?? [];
        entries.push(id, entryLifeOf(grant));
        indexes.set(index, entries);
      }
    }
    return indexes;
  }

  /**
   * An earlier end takes rights away, so it is confirmed like a revocation. A grant that is gone may have ended by an
   * earlier end that replicas do not have yet, so that is confirmed, too. A later end is not confirmed: if it is lost,
   * the token ends earlier.
   */
  async function prolong(id: string, client: string, expiresAt: number) {
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
      const changed = await run(PROLONG, [key, keys.uses(id), ...indexes], args);
      if (changed === 'later') return changed;
      if (!Array.isArray(changed)) return undefined;
      const [record, isEarlier] = changed;
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
  }

  return { issue: isCluster ? issueInCluster : issueTogether, prolong };
}
