import { inPieces } from '../pieces.ts';
import { addDelivery, type Delivery, isWhole, sums } from '../token/delivery.ts';
import {
  type Grant,
  isFolder,
  type KnownRequester,
  keptMs,
  latestEndOf,
  rememberedUntil,
  resumableUntil,
} from '../token/grant.ts';
import { MAX_REQUESTERS } from '../token/grant-fields.ts';
import {
  type Cursor,
  type Entry,
  MAX_SHOWN_REQUESTERS,
  type Selection,
  type Store,
  signedAt,
} from '../token/store.ts';
import { redeem } from '../token/uses.ts';

const SWEEP_EVERY_MS = 10_000;

interface Held {
  grant: Grant;
  /** Oldest first. */
  readonly requesters: KnownRequester[];
  attempts: number;
  delivery?: Delivery & { readonly whole: boolean };
}

/** Grants in the memory of this process: for one instance, lost when it ends. */
export function createMemoryStore({ now = Date.now }: { now?: () => number } = {}): Store {
  const held = new Map<string, Held>();
  /** Token IDs, by what `indexesOf` returns. */
  const indexes = new Map<string, Set<string>>();
  /** Revoked external tokens, and until when to remember them. */
  const revoked = new Map<string, number>();
  /** Those without an end, by client. */
  const endless = new Map<string, Set<string>>();
  /** Subjects of external tokens, which end if they were signed before, and until when to remember that. */
  const subjects = new Map<string, { readonly before: number; readonly until: number }>();
  let swept = now();

  function put(id: string, grant: Grant): void {
    held.set(id, { grant, requesters: [], attempts: 0 });
    if (grant.external) return;
    for (const index of indexesOf(grant)) {
      const ids = indexes.get(index) ?? new Set();
      indexes.set(index, ids.add(id));
    }
  }

  function end(id: string, grant: Grant): void {
    held.delete(id);
    for (const index of indexesOf(grant)) {
      const ids = indexes.get(index);
      ids?.delete(id);
      if (ids?.size === 0) indexes.delete(index);
    }
  }

  function live(id: string): Held | undefined {
    const found = held.get(id);
    if (found === undefined || endOf(found) > now()) return found;
    end(id, found.grant);
    return undefined;
  }

  function own(id: string, client: string): Held | undefined {
    const found = live(id);
    return found?.grant.client === client ? found : undefined;
  }

  function idsOf(client: string, { subject, covers }: Selection): Iterable<string> {
    const index = indexOf(client, subject === undefined ? { covers } : { subject });
    return indexes.get(index) ?? [];
  }

  /** Frees the memory of ended grants, in pieces, because decisions wait meanwhile. */
  function sweep(): void {
    if (now() - swept < SWEEP_EVERY_MS) return;
    // No other one begins before it ends.
    swept = Number.POSITIVE_INFINITY;
    for (const [id, until] of revoked) if (until <= now()) revoked.delete(id);
    for (const [id, { until }] of subjects) if (until <= now()) subjects.delete(id);
    void inPieces(held.keys(), (piece) => piece.forEach(live)).then(() => {
      swept = now();
    });
  }

  return {
    async issue(issued) {
      sweep();
      for (const [id, grant] of issued) put(id, grant);
    },
    async find(id, how) {
      const found = live(id);
      const signed = how === 'timed' ? undefined : how;
      const { before = 0 } = (signed && subjects.get(signed.subjectId)) ?? {};
      const isRevoked = (revoked.get(id) ?? 0) > now();
      if (isRevoked || (signed && signedAt(signed, found?.grant) < before))
        return { isRevoked: true };
      if (found === undefined) return {};
      return {
        grant: found.grant,
        ...(how === 'timed' && { leftMs: endOf(found) - keptMs(found.grant) - now() }),
      };
    },
    async requesters(id) {
      const { requesters = [] } = live(id) ?? {};
      return { total: requesters.length, newest: requesters.slice(-MAX_SHOWN_REQUESTERS) };
    },
    async saveExternal(id, grant) {
      sweep();
      if (live(id) === undefined && (revoked.get(id) ?? 0) <= now()) put(id, grant);
    },
    async revokeExternal(id, until) {
      sweep();
      if (typeof until !== 'number') {
        const ids = endless.get(until.client) ?? new Set();
        if (!ids.has(id) && ids.size >= until.max) return false;
        endless.set(until.client, ids.add(id));
      }
      held.delete(id);
      const end = typeof until === 'number' ? until : Number.POSITIVE_INFINITY;
      revoked.set(id, Math.max(end, revoked.get(id) ?? 0));
      return true;
    },
    async revokeSigned(subjectId, leeway, keptMs) {
      sweep();
      const known = subjects.get(subjectId);
      const signedBefore = Math.floor(now() / 1000) + leeway + 1;
      const before = Math.max(signedBefore * 1000, known?.before ?? 0);
      subjects.set(subjectId, { before, until: Math.max(before + keptMs, known?.until ?? 0) });
      return before / 1000;
    },
    async redeem(id, requester, count, at = now()) {
      const found = live(id);
      if (found?.grant.uses === undefined) return undefined;
      const { grant, requesters } = found;
      const redeemed = redeem(grant, found.grant.uses, requesters, requester, at);
      if (redeemed !== undefined && count) found.attempts = Math.max(0, found.attempts - 1);
      if (redeemed === 'new' && count) {
        const { newCookie: cookie, address } = requester;
        requesters.push({ began: now(), cookie, ...(address !== undefined && { address }) });
        if (requesters.length > MAX_REQUESTERS) requesters.shift();
      }
      return redeemed;
    },
    async countAttempt(id, max) {
      const found = live(id);
      if (found?.grant.pinHmac === undefined) return undefined;
      found.attempts += 1;
      if (found.attempts <= max) return found.attempts;
      end(id, found.grant);
      return 0;
    },
    async addDelivered(entries) {
      const added = entries.flatMap(([id, delivery]) => {
        const found = live(id);
        if (found === undefined) return [];
        const { grant } = found;
        const wasWhole = found.delivery?.whole === true;
        const sum = addDelivery(found.delivery, isFolder(grant.covers) ? sums(delivery) : delivery);
        const isCompleted = !wasWhole && isWhole(sum);
        const { maxBytes = Number.POSITIVE_INFINITY } = grant;
        found.delivery = { ...sum, whole: wasWhole || isCompleted };
        if (sum.bytes >= maxBytes) found.grant = { ...grant, exhausted: true };
        const { client, mount } = grant;
        const { requests, bytes } = delivery;
        return { id, client, mount, requests, bytes, ...(isCompleted && { completed: grant }) };
      });
      return { added, unsent: [], lost: [] };
    },
    async delivered(id) {
      const found = live(id);
      if (found?.delivery === undefined) return undefined;
      const { ranges: _, ...delivered } = found.delivery;
      return delivered;
    },
    async prolong(id, client, expiresAt) {
      const found = own(id, client);
      if (found === undefined || found.grant.external) return undefined;
      found.grant = { ...found.grant, expiresAt };
      return found.grant;
    },
    async revoke(id, client) {
      const found = own(id, client);
      if (found === undefined) return false;
      end(id, found.grant);
      if (found.grant.external) revoked.set(id, endOf(found));
      return true;
    },
    async list(client, selection, limit, after) {
      const { covers } = selection;
      // In order, with the first one of the next page. Sorting the grants of a large client would take much longer.
      const first: Array<{ readonly entry: Entry; readonly cursor: Cursor }> = [];
      await inPieces([...idsOf(client, selection)], (piece) => {
        for (const id of piece) {
          const grant = live(id)?.grant;
          if (grant === undefined || (covers ?? grant.covers) !== grant.covers) continue;
          const cursor = { id, end: latestEndOf(grant) + keptMs(grant) };
          if (after !== undefined && compare(cursor, after) <= 0) continue;
          const last = first[limit];
          if (last !== undefined && compare(cursor, last.cursor) > 0) continue;
          const following = first.findIndex((one) => compare(cursor, one.cursor) < 0);
          first.splice(following < 0 ? first.length : following, 0, { entry: [id, grant], cursor });
          first.length = Math.min(first.length, limit + 1);
        }
      });
      const page = first.slice(0, limit);
      const last = page.at(-1);
      return {
        entries: page.map(({ entry }) => entry),
        ...(first.length > limit && last && { next: last.cursor }),
      };
    },
    async revokeAll(client, selection) {
      let ended = 0;
      // A copy: grants that are issued meanwhile stay.
      await inPieces([...idsOf(client, selection)], (piece) => {
        for (const id of piece) {
          const found = live(id);
          if (found === undefined) continue;
          end(id, found.grant);
          ended += 1;
        }
      });
      return ended;
    },
    async check() {
      return { store: 'memory', masters: 1, answering: 1, replicas: 0, wanted: 0 };
    },
    async close() {},
  };
}

function indexesOf({ client, subject, covers }: Grant): string[] {
  return [{}, { covers }, ...(subject === undefined ? [] : [{ subject }])].map((selection) =>
    indexOf(client, selection),
  );
}

/** The ID of a client contains no colon. */
function indexOf(client: string, { subject, covers }: Selection): string {
  if (subject !== undefined) return `${client}:subject:${subject}`;
  return covers === undefined ? client : `${client}:path:${covers}`;
}

/** The time at which the last requester must stop. */
function endOf({ grant, requesters }: Held): number {
  const { expiresAt, uses, external } = grant;
  if (external) return rememberedUntil(grant);
  const last = requesters.at(-1);
  const end = uses && last ? Math.max(expiresAt, resumableUntil(uses, last)) : expiresAt;
  return end + keptMs(grant);
}

function compare(a: Cursor, b: Cursor): number {
  return a.end - b.end || (a.id < b.id ? -1 : Number(a.id > b.id));
}
