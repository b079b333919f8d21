import { together } from '../../coalesce.ts';
import { keptMs } from '../../token/grant.ts';
import {
  type Cursor,
  type Entry,
  type Found,
  type Signed,
  type Store,
  StoreUnavailable,
  signedAt,
} from '../../token/store.ts';
import type { Value } from '../connection/connection.ts';
import { unexpected } from '../connection/failure.ts';
import type { Commands } from './commands.ts';
import { DELIVERED_FIELD, decodeDelivered } from './deliveries.ts';
import { decodeRecord } from './record.ts';

/**
 * KEYS: an index, and the key to which START_ENDING moves it; ARGV: the limit, then the score and ID of
 * the cursor, if any. Returns alternating IDs and scores, or 1 if a revocation is running or was
 * interrupted. If the cursor's entry is gone or moved, a temporary entry finds its position.
 */
const LIST = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local first = 0
if ARGV[3] then
  if redis.call('ZSCORE', KEYS[1], ARGV[3]) == ARGV[2] then
    first = redis.call('ZRANK', KEYS[1], ARGV[3]) + 1
  else
    local mark = ARGV[3] .. '~'
    redis.call('ZADD', KEYS[1], ARGV[2], mark)
    first = redis.call('ZRANK', KEYS[1], mark)
    redis.call('ZREM', KEYS[1], mark)
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
`;

const START: Cursor = { end: 0, id: '-'.repeat(22) };

/** @param endPiece continues a revocation: ends some of the grants that an index names */
export function createReads(
  { connection, keys, send, failed, run, assertUsable, fenced }: Commands,
  endPiece: (index: string) => Promise<unknown>,
): Pick<Store, 'find' | 'delivered' | 'list'> {
  /**
   * Reads the keys of one turn of the event loop together. A command for each read takes 5 to 6 µs of CPU time more, a
   * seventh of a request: its promise, its timer, and the system calls for a few bytes. ioredis' enableAutoPipelining
   * saves only the system calls, and lets a command, with its timeout, wait for the batch before it.
   *
   * `timed`: with the remaining lifetime by Redis' clock, so that no two clocks are compared. The reply may be as old as
   * the command, so the time since the command is subtracted.
   */
  async function readAll(names: readonly string[], timed: boolean): Promise<readonly Value[]> {
    const sent = performance.now();
    try {
      const found = fenced(names, await connection.read(names, timed));
      assertUsable();
      // A reply with fewer values than keys must not mean "not revoked".
      if (found.length !== names.length || !found.every(isValue)) throw unexpected();
      if (!timed) return found;
      const passed = performance.now() - sent;
      return found.map(([record, leftMs]): Value => [record, leftMs - passed]);
    } catch (error) {
      throw failed(error as Error);
    }
  }

  const read = together<string, Value>((names) => readAll(names, false));
  const readTimed = together<string, Value>((names) => readAll(names, true));
  const readSigned = together<{ id: string; signed: Signed }, readonly [Value, Value]>(
    async (tokens) => {
      const names = tokens.map(({ id }) => keys.grant(id));
      for (const { signed } of tokens) names.push(keys.signed(signed.subjectId));
      const found = await readAll(names, false);
      return tokens.map((_, i) => [found[i] as Value, found[tokens.length + i] as Value] as const);
    },
  );

  async function find(id: string, how?: 'timed' | Signed): Promise<Found> {
    try {
      if (typeof how === 'object') {
        const [record, before] = await readSigned({ id, signed: how });
        return ofSubject(foundOf(id, record), before, how);
      }
      if (how === undefined) return foundOf(id, await read(keys.grant(id)));
      const record = await readTimed(keys.grant(id));
      const found = foundOf(id, record);
      return found.grant ? { ...found, leftMs: record[1] - keptMs(found.grant) } : found;
    } catch (error) {
      throw failed(error as Error);
    }
  }

  return {
    find,
    async delivered(id) {
      const key = keys.uses(id);
      const field = await send(key, (redis) => redis.hget(key, DELIVERED_FIELD));
      return field === null ? undefined : decodeDelivered(field);
    },

    async list(client, selection, limit, after) {
      const { covers } = selection;
      const index = keys.index(client, selection);
      const ending = keys.ending(index);
      const args = [limit, ...(after === undefined ? [] : [after.end, after.id])];
      const page = await run(LIST, [index, ending], args);
      if (page === 1) {
        // Finish a revocation first: its grants must not be listed, and the client may check its result. This ends
        // only a piece of them, because other requests wait for this page.
        await endPiece(ending);
        return { entries: [], next: after ?? START };
      }
      const found = page as string[];
      const ids = found.filter((_, i) => i % 2 === 0);
      const all = await Promise.all(ids.map((id) => find(id)));
      const entries = ids.flatMap((id, i): Entry[] => {
        const { grant } = all[i] ?? {};
        // Other paths have the same index.
        const isWanted = grant !== undefined && (covers ?? grant.covers) === grant.covers;
        return isWanted ? [[id, grant]] : [];
      });
      const last = ids.at(-1);
      const more = ids.length === limit && last !== undefined;
      return { entries, ...(more && { next: { id: last, end: Number(found.at(-1)) } }) };
    },
  };
}

const isValue = ([record]: Value) =>
  typeof record === 'string' || record === null || record instanceof StoreUnavailable;

/** What the store has of an external token, which ends with its subject. */
function ofSubject(found: Found, [before]: Value, signed: Signed): Found {
  if (before === null) return found;
  if (before instanceof StoreUnavailable) throw before;
  // A value that is not a number revokes it, too.
  return signedAt(signed, found.grant) >= Number.parseFloat(before) ? found : { isRevoked: true };
}

/** Decodes each record where it is awaited, so that an invalid one does not affect the others. */
function foundOf(id: string, [record]: Value): Found {
  if (record instanceof StoreUnavailable) throw record;
  if (record === null) return {};
  const grant = decodeRecord(id, record);
  return grant === 'revoked' ? { isRevoked: true } : { grant };
}
