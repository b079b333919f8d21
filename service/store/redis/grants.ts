import { setTimeout as sleep } from 'node:timers/promises';
import { together } from '../../coalesce.ts';
import { nextTurn } from '../../pieces.ts';
import { type Grant, keptMs, latestEndOf } from '../../token/grant.ts';
import { type Entry, type Store, StoreUnavailable, Unacknowledged } from '../../token/store.ts';
import { isRefusal, unexpected } from '../connection/failure.ts';
import type { Commands } from './commands.ts';
import { decodeRecord, encodeRecord, REVOKED } from './record.ts';
import {
  COUNT_ENDLESS,
  END_ACKNOWLEDGED,
  ENTER_ALL,
  ISSUE,
  PROLONG,
  REVOKE,
  REVOKE_EXTERNAL,
  REVOKE_SIGNED,
  START_ENDING,
} from './scripts.ts';

/** The entries alternate: a token ID, and the milliseconds for which it stays in the index. */
type IndexEntries = ReadonlyArray<string | number>;

/** What ISSUE gets for a grant. */
interface Encoded {
  readonly names: readonly string[];
  readonly args: readonly [record: string, leftMs: number, indexedMs: number];
}

/** What one command may take: about a millisecond of Redis. Each grant takes GRANT_BYTES in addition to its record. */
const MAX_BYTES = 24 * 1024;
const GRANT_BYTES = 320;

/** Grants that a revocation ends in one piece, which takes about a millisecond. */
const PIECE = 200;

/** How long a revocation of many is tried again after its last piece, and the pause. */
const MAX_AGAIN_MS = 5_000;
const AGAIN_MS = 50;

/** `unchanged`: the grant has not changed yet, because the new end is a later one. */
interface Changed {
  readonly grant: Grant;
  readonly end: 'earlier' | 'later' | 'unchanged';
}

/** Stores grants with their entries in the indexes, and changes when a grant ends. */
export function createIssues(commands: Commands): Pick<Store, 'issue' | 'prolong'> {
  const { connection, keys, reply, failed, run, replicas, acknowledged, now } = commands;
  const { isCluster, redis } = connection;
  const lifeOf = (grant: Grant) => Math.max(1, grant.expiresAt + keptMs(grant) - now());
  const entryLifeOf = (grant: Grant) => lifeOf(grant) + latestEndOf(grant) - grant.expiresAt;

  /** In a cluster, a failover could lose the entry but not the grant. A revocation of the subject would miss it. */
  function enter(index: string, entries: IndexEntries): Promise<unknown> {
    const add = () => run(ENTER_ALL, [index], entries);
    return isCluster ? acknowledged(index, add) : add();
  }

  /** The requests of one turn of the event loop in one script: a script for each takes Redis twice the time. */
  const issueEncoded = together<readonly Encoded[], void>(
    async (requests) => {
      const grants = requests.flat();
      const names = grants.flatMap((grant) => grant.names);
      const args = requests.flatMap((request, i) =>
        request.flatMap((grant) => [i + 1, ...grant.args]),
      );
      const results = await run(ISSUE, names, args);
      if (!Array.isArray(results) || results.length !== requests.length) throw failed(unexpected());
      return results.map((result) => {
        if (result === 1) return undefined;
        if (!(result instanceof Error)) return unexpected();
        return failed(Object.assign(result, { command: { name: 'eval' } }));
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
   * the index. A revocation between the two counts as earlier: it misses the grants, and the next one finds them.
   * If the index came first, such a revocation would remove the entries, and no later one would find the grants. If a
   * write fails, some grants may be stored, but no client receives their tokens.
   */
  async function issueInCluster(issued: readonly Entry[]): Promise<void> {
    const store = ([id, grant]: Entry) =>
      redis.set(keys.grant(id), encodeRecord(grant), 'PX', lifeOf(grant));
    await reply(() => Promise.all(issued.map(store)));
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
   * An earlier end takes rights away, so it is acknowledged like a revocation. A grant that is gone may have ended by an
   * earlier end that replicas do not have yet, so that is acknowledged, too. A later end is not acknowledged: if it is lost,
   * the token ends earlier.
   */
  async function prolong(id: string, client: string, expiresAt: number) {
    const key = keys.grant(id);
    const leftMs = () => Math.max(1, expiresAt - now());

    async function change(mayBeLater: boolean): Promise<Changed | undefined> {
      const flags = [Number(replicas !== undefined), Number(mayBeLater)];
      const args = [client, expiresAt, leftMs(), ...flags];
      const changed = await run(PROLONG, [key, keys.uses(id)], args);
      if (!Array.isArray(changed)) return undefined;
      const [record, end] = changed;
      return { grant: decodeRecord(record) as Grant, end };
    }

    const isNeeded = (changed?: Changed) => changed === undefined || changed.end === 'earlier';
    const acknowledgedChange = (mayBeLater: boolean) =>
      acknowledged(key, () => change(mayBeLater), isNeeded);

    let changed = await acknowledgedChange(false);
    if (changed?.end === 'unchanged') {
      const { grant } = changed;
      // The entries come first, because the grant must not outlive them.
      const entry = [id, leftMs() + latestEndOf(grant) - grant.expiresAt + keptMs(grant)];
      await Promise.all(keys.indexes(grant).map((index) => enter(index, entry)));
      changed = await acknowledgedChange(true);
    }
    if (changed === undefined) return undefined;
    // Nobody waits for it: if the mark stays, the next change of the end is acknowledged without need.
    if (replicas) run(END_ACKNOWLEDGED, [key, keys.uses(id)], [expiresAt]).catch(() => {});
    return changed.grant;
  }

  return { issue: isCluster ? issueInCluster : issueTogether, prolong };
}

/** Ends grants: one, or all that an index names. Replicas acknowledge each of these operations. */
export function createRevocations({
  connection,
  keys,
  reply,
  run,
  replicas,
  acknowledged,
  now,
}: Commands) {
  const { redis } = connection;

  /**
   * Ends some of the grants that an index names; false if it names none. `from`: how many before them are not
   * acknowledged, and stay in the index. Then these stay, too.
   */
  async function endPiece(
    index: string,
    counted: (count: number) => void = () => {},
    from = 0,
  ): Promise<boolean> {
    // In a cluster, a failover could undo the removal of a grant, but not the removal from the index.
    const acknowledgeGrants = connection.isCluster && from === 0 ? replicas?.begin() : undefined;
    const ids = await reply(() => redis.zrange(index, from, String(from + PIECE - 1)));
    if (ids.length === 0) return false;
    // Both are awaited together: an unhandled rejection would end the process.
    await Promise.all([
      reply(() => connection.unlink(ids.map(keys.uses))),
      reply(() => connection.unlink(ids.map(keys.grant), counted)),
    ]);
    if (from > 0) return true;
    await acknowledgeGrants?.();
    // The index comes last, so that the next revocation or list finishes an interrupted one.
    await reply(() => redis.zrem(index, ...ids));
    return true;
  }

  const revocations: Pick<Store, 'revoke' | 'revokeExternal' | 'revokeSigned' | 'revokeAll'> = {
    async revoke(id, client) {
      const key = keys.grant(id);
      const revoke = () => run(REVOKE, [key, keys.uses(id)], [client, REVOKED]);
      const revoked = await acknowledged(key, revoke);
      if (!Array.isArray(revoked)) return false;
      const [covers, subject] = revoked;
      const left = covers === undefined ? [] : keys.indexes({ client, covers, subject });
      // Nobody waits for it: an index may name grants that are gone.
      for (const index of left) redis.zrem(index, id).catch(() => {});
      return true;
    },

    async revokeExternal(id, until) {
      const key = keys.grant(id);
      const isEndless = typeof until !== 'number';
      if (isEndless && !(await run(COUNT_ENDLESS, [keys.endless(until.client)], [id, until.max])))
        return false;
      await acknowledged(key, () => run(REVOKE_EXTERNAL, [key], [REVOKED, isEndless ? '' : until]));
      // Nobody waits for it, because it expires. In the script, a second key would fail while a slot moves.
      connection.unlink([keys.uses(id)]).catch(() => {});
      return true;
    },

    async revokeSigned(subjectId, leeway, keptMs) {
      const key = keys.signed(subjectId);
      const args = [Math.floor(now() / 1000), leeway + 1, keptMs];
      const before = await acknowledged(key, () => run(REVOKE_SIGNED, [key], args));
      return Number(before) / 1000;
    },

    /**
     * What has ended stays ended, and a repetition ends the rest. So a late or lost reply in the middle does not fail
     * the request: it repeats itself.
     */
    async revokeAll(client, selection) {
      const index = keys.index(client, selection);
      const ending = keys.ending(index);
      let revoked = 0;
      let until = 0;
      const limit = () => performance.now() + MAX_AGAIN_MS;
      const counted = (count: number) => {
        revoked += count;
      };

      async function endAll(): Promise<void> {
        for (let isBusy: unknown = 1; isBusy === 1; ) {
          isBusy = await run(START_ENDING, [index, ending], []);
          until ||= limit();
          let unacknowledged: Unacknowledged | undefined;
          for (let [hasMore, from] = [true, 0]; hasMore; until = limit()) {
            await nextTurn();
            try {
              hasMore = await endPiece(ending, counted, from);
              if (from > 0) from += PIECE;
            } catch (error) {
              // All others must end, too: the client learns that the revocation is applied.
              if (!(error instanceof Unacknowledged)) throw error;
              unacknowledged = error;
              from = PIECE;
            }
          }
          if (unacknowledged) throw unacknowledged;
        }
      }

      for (;;) {
        try {
          await acknowledged(undefined, endAll);
          return revoked;
        } catch (error) {
          const { message, shown } = error as StoreUnavailable;
          if (error instanceof Unacknowledged || until === 0) throw error;
          // Another error, because requests can share one.
          if (isRefusal(error as Error) || performance.now() > until)
            throw new StoreUnavailable(message, { shown, revoked });
          await sleep(AGAIN_MS);
        }
      }
    },
  };
  return { revocations, endPiece };
}
