import { together } from '../../coalesce.ts';
import type { Grant } from '../../token/grant.ts';
import {
  type Cursor,
  type Entry,
  MAX_SHOWN_REQUESTERS,
  type Signed,
  type Store,
  StoreUnavailable,
  signedAt,
} from '../../token/store.ts';
import type { Found } from '../connection/connection.ts';
import { unexpected } from '../connection/failure.ts';
import { decodeRecord, decodeRequesters } from './record.ts';
import { LIST } from './scripts.ts';
import { DELIVERED_FIELD, decodeDelivered } from './sent-bytes.ts';
import type { Shared } from './shared.ts';

/** The cursor before all others. */
const START: Cursor = { end: 0, id: '-'.repeat(22) };

/** @param endPiece continues a revocation: ends some of the grants that an index names */
export function createReads(
  { connection, keys, reply, run, assertUsable, fenced }: Shared,
  endPiece: (index: string) => Promise<unknown>,
): Pick<Store, 'find' | 'findExternal' | 'findTimed' | 'requesters' | 'delivered' | 'list'> {
  const { redis } = connection;

  /**
   * Reads the keys of one turn of the event loop together. A command for each read takes 5 to 6 µs of CPU time more, a
   * seventh of a request: its promise, its timer, and the system calls for a few bytes. ioredis' enableAutoPipelining
   * saves only the system calls, and lets a command, with its timeout, wait for the batch before it.
   *
   * `timed`: with the remaining lifetime by Redis' clock, so that no two clocks are compared. The reply may be as old as
   * the command, so the time since the command is subtracted.
   */
  async function readAll(names: readonly string[], timed: boolean): Promise<readonly Found[]> {
    const sent = performance.now();
    try {
      const found = fenced(names, await connection.read(names, timed));
      assertUsable();
      // A reply with fewer values than keys must not mean "not revoked".
      if (found.length < names.length) throw unexpected();
      if (!timed) return found;
      const passed = performance.now() - sent;
      return found.map(([record, leftMs]): Found => [record, leftMs - passed]);
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  const read = together<string, Found>((names) => readAll(names, false));
  const readTimed = together<string, Found>((names) => readAll(names, true));
  const readSigned = together<{ id: string; signed: Signed }, readonly [Found, Found]>(
    async (tokens) => {
      const names = tokens.map(({ id }) => keys.grant(id));
      for (const { signed } of tokens) names.push(keys.signed(signed.subjectId));
      const found = await readAll(names, false);
      return tokens.map((_, i) => [found[i] as Found, found[tokens.length + i] as Found] as const);
    },
  );
  const find = async (id: string) => live(storedOf(await read(keys.grant(id))));

  return {
    find,
    async findExternal(id, signed) {
      if (signed === undefined) return storedOf(await read(keys.grant(id)));
      const [found, revoked] = await readSigned({ id, signed });
      return ofSubject(storedOf(found), revoked, signed);
    },

    async findTimed(id) {
      const found = await readTimed(keys.grant(id));
      const grant = live(storedOf(found));
      return grant && { grant, leftMs: found[1] };
    },

    async requesters(id) {
      const [count, dropped] = await reply(() => redis.hmget(keys.uses(id), 't', 'h'));
      const total = Number(count) - Number(dropped);
      if (total === 0) return { total, newest: [] };
      const length = Math.min(total, MAX_SHOWN_REQUESTERS);
      const names = Array.from({ length }, (_, i) => `s${Number(count) - length + 1 + i}`);
      const newest = decodeRequesters(await reply(() => redis.hmget(keys.uses(id), ...names)));
      return { total, newest };
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
        // Finish a revocation first: its grants must not be listed, and the client may check its result. This ends
        // only a piece of them, because other requests wait for this page.
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

type Stored = Grant | 'revoked' | undefined;

function live(stored: Stored): Grant | undefined {
  return stored === 'revoked' ? undefined : stored;
}

/** What the store has of an external token, which ends with its subject. */
function ofSubject(stored: Stored, [before]: Found, signed: Signed): Stored {
  if (before === null || stored === 'revoked') return stored;
  if (before instanceof StoreUnavailable) throw before;
  // A value that is not a number revokes it, too.
  return signedAt(signed, stored) >= Number.parseFloat(before) ? stored : 'revoked';
}

/** Decodes each record where it is awaited, so that an invalid one does not affect the others. */
function storedOf([record]: Found): Stored {
  if (record instanceof StoreUnavailable) throw record;
  return record === null ? undefined : decodeRecord(record);
}
