import { setTimeout as sleep } from 'node:timers/promises';
import { nextTurn } from '../../pieces.ts';
import { type Store, StoreUnavailable, Unacknowledged } from '../../token/store.ts';
import { isRefusal } from '../connection/failure.ts';
import type { Commands } from './commands.ts';
import { REVOKED } from './record.ts';
import { ALLOW_OOM, NOW, OWN } from './script-parts.ts';

/**
 * KEYS: the grant and its requesters. Returns its path, and its subject if it has one; nil if there was no grant. An
 * external token, which is in no index, is remembered as revoked (ARGV[2]): otherwise it would be valid again.
 */
const REVOKE = `${ALLOW_OOM}${OWN}
redis.call('DEL', KEYS[2])
if grant.y then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return {}
end
redis.call('DEL', KEYS[1])
return {grant.p, grant.u}
`;

/**
 * KEYS[1]: the grant of an external token; ARGV: the record of a revocation, and until when it is
 * remembered, or '' for indefinitely. A revocation that lasts longer stays.
 */
const REVOKE_EXTERNAL = `${ALLOW_OOM}${NOW}
local left = ARGV[2] ~= '' and math.max(1, ARGV[2] - now)
if redis.call('GET', KEYS[1]) == ARGV[1] then
  local lasts = redis.call('PTTL', KEYS[1])
  if lasts == -1 or (left and lasts >= left) then return end
end
if left then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
else
  redis.call('SET', KEYS[1], ARGV[1])
end
`;

/**
 * KEYS[1]: the IDs of the external tokens that a client has revoked without an end; ARGV: one more, and how many it may
 * have. Returns 0 if it has them. In a cluster the revocation itself is elsewhere, so it comes second.
 */
const COUNT_ENDLESS = `${ALLOW_OOM}
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCOUNT', KEYS[1], '-inf', '+inf') >= tonumber(ARGV[2]) then return 0 end
return redis.call('ZADD', KEYS[1], 0, ARGV[1])
`;

/**
 * KEYS[1]: before which time the external tokens of a subject are revoked; ARGV: the instance's clock and the seconds to
 * add to it, and for how many milliseconds more the time is remembered. Returns the time. The later of two counts: with
 * the clock of an instance that is slow, tokens would stay valid that were signed before.
 */
const REVOKE_SIGNED = `${ALLOW_OOM}${NOW}
local signed = (math.max(ARGV[1], time[1]) + ARGV[2]) * 1000
local before = math.max(signed, redis.call('GET', KEYS[1]) or 0)
local left = math.max(before + ARGV[3] - now, redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], before, 'PX', left)
return before
`;

/** KEYS: an index, and the key to which it is moved. Returns 1 if that exists: a revocation runs, or was interrupted. */
const START_ENDING = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 0
`;

/** Grants that a revocation ends in one piece, which takes about a millisecond. */
const PIECE = 200;

/** How long a revocation of many is tried again after its last piece, and the pause. */
const MAX_AGAIN_MS = 5_000;
const AGAIN_MS = 50;

/** Ends grants: one, or all that an index names. Replicas acknowledge each of these operations. */
export function createRevocations({
  connection,
  keys,
  reply,
  send,
  run,
  replicas,
  acknowledged,
  now,
}: Commands) {
  /**
   * Ends some of the grants that an index names, and removes their names from it; false if it names none. With `from`, it
   * skips so many names, whose end no replica has acknowledged, and removes no name.
   */
  async function endPiece(
    index: string,
    counted: (count: number) => void = () => {},
    from = 0,
  ): Promise<boolean> {
    // In a cluster, a failover could undo the removal of a grant, but not the removal from the index.
    const acknowledgeGrants = connection.isCluster && from === 0 ? replicas?.begin() : undefined;
    const last = String(from + PIECE - 1);
    const ids = await send(index, (redis) => redis.zrange(index, from, last));
    if (ids.length === 0) return false;
    // Both are awaited together: an unhandled rejection would end the process.
    await Promise.all([
      reply(() => connection.unlink(ids.map(keys.uses))),
      reply(() => connection.unlink(ids.map(keys.grant), counted)),
    ]);
    if (from > 0) return true;
    await acknowledgeGrants?.();
    // The index comes last, so that the next revocation or list finishes an interrupted one.
    await send(index, (redis) => redis.zrem(index, ...ids));
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
      for (const index of left) send(index, (redis) => redis.zrem(index, id)).catch(() => {});
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

    /** What has ended stays ended, so after a late or lost reply the revocation repeats itself instead of failing. */
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
