import type { Grant, KnownRequester } from '../../token/grant.ts';
import { nextTurn } from '../../token/queue.ts';
import type { Cursor, Entry, Store } from '../../token/store.ts';
import { createRead, createReadTimed, type Stored } from './batched.ts';
import { decodeRequesters } from './record.ts';
import { LIST } from './scripts.ts';
import { DELIVERED_FIELD, decodeDelivered } from './sent-bytes.ts';
import { PIECE, type Shared } from './shared.ts';

type Reads = Pick<
  Store,
  'find' | 'findExternal' | 'findTimed' | 'requesters' | 'delivered' | 'list'
>;

/** Before each cursor. */
const START: Cursor = { end: 0, id: '-'.repeat(22) };

/** @param endPiece continues a revocation: ends some of the grants that an index names */
export function createReads(
  { connection, keys, reply, run, assertUsable }: Shared,
  endPiece: (index: string) => Promise<unknown>,
): Reads {
  const { redis, mget, mgetTimed, failureOf } = connection;
  const reading = { mget, mgetTimed, failureOf, assertMaster: assertUsable };
  const read = createRead(reading);
  const readTimed = createReadTimed(reading);
  const findExternal = (id: string) => read(keys.grant(id));
  const find = (id: string) => findExternal(id).then(live);

  return {
    find,
    findExternal,

    async findTimed(id) {
      const { stored, leftMs } = await readTimed(keys.grant(id));
      const grant = live(stored);
      return grant && { grant, leftMs };
    },

    async requesters(id, turn = nextTurn) {
      const known: KnownRequester[] = [];
      // The number of all requesters is in the first reply.
      for (let [first, total] = [1, 1]; first <= total; first += PIECE) {
        await turn();
        const places = Array.from({ length: PIECE }, (_, i) => `s${first + i}`);
        const [count, forgotten, ...held] = await reply(() =>
          redis.hmget(keys.uses(id), 't', 'h', ...places),
        );
        known.push(...decodeRequesters(held));
        total = Number(count);
        // The oldest ones beyond the maximum were dropped.
        first = Math.max(first, Number(forgotten) + 1 - PIECE);
      }
      return known;
    },

    async delivered(id) {
      const field = await reply(() => redis.hget(keys.uses(id), DELIVERED_FIELD));
      return field === null ? undefined : decodeDelivered(field);
    },

    async list(client, selection, limit, after) {
      const { covers } = selection;
      const index = keys.index(client, selection);
      const ending = keys.ending(index);
      const args = [limit, ...(after === undefined ? [] : [after.end, after.id])];
      const page = await run(LIST, [index, ending], args);
      if (page === 1) {
        // Finish a revocation first: its grants must not be listed, and the client may check its result. Not at once:
        // it may take long, and other requests wait for this page.
        await endPiece(ending);
        return { entries: [], next: after ?? START };
      }
      const found = page as string[];
      const ids = found.filter((_, i) => i % 2 === 0);
      const grants = await Promise.all(ids.map(find));
      const entries = ids.flatMap((id, i): Entry[] => {
        const grant = grants[i];
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

function live(stored: Stored): Grant | undefined {
  return stored === 'revoked' ? undefined : stored;
}
