import { endOf, type Grant } from '../domain/grant.ts';
import { redeem, withRequester } from '../domain/redeem.ts';
import type { Entry, Store } from '../domain/store.ts';

const SWEEP_EVERY_MS = 10_000;

/** Grants in this process: for one instance, and gone when it ends. */
export function createMemoryStore({ now = Date.now }: { now?: () => number } = {}): Store {
  const grants = new Map<string, Grant>();
  const subjects = new Map<string, Set<string>>();
  /** What others signed and was revoked, and until when that has to be known. */
  const revoked = new Map<string, number>();
  let swept = now();

  function keyOf(client: string, subject: string): string {
    return `${client}:${subject}`;
  }

  function end(id: string, { client, subject }: Grant): void {
    grants.delete(id);
    if (subject === undefined) return;
    const key = keyOf(client, subject);
    const ids = subjects.get(key);
    ids?.delete(id);
    if (ids?.size === 0) subjects.delete(key);
  }

  function live(id: string): Grant | undefined {
    const grant = grants.get(id);
    if (grant === undefined || endOf(grant) > now()) return grant;
    end(id, grant);
    return undefined;
  }

  function own(id: string, client: string): Grant | undefined {
    const grant = live(id);
    return grant?.client === client ? grant : undefined;
  }

  /** The live grants of a subject. */
  function of(client: string, subject: string): Entry[] {
    return [...(subjects.get(keyOf(client, subject)) ?? [])].flatMap((id): Entry[] => {
      const grant = live(id);
      return grant === undefined ? [] : [[id, grant]];
    });
  }

  /** Frees what ended and was never asked for again. */
  function sweep(): void {
    if (now() - swept < SWEEP_EVERY_MS) return;
    swept = now();
    for (const id of grants.keys()) live(id);
    for (const [id, until] of revoked) if (until <= now()) revoked.delete(id);
  }

  return {
    async issue(issued) {
      sweep();
      for (const [id, grant] of issued) {
        grants.set(id, grant);
        if (grant.subject === undefined) continue;
        const key = keyOf(grant.client, grant.subject);
        const ids = subjects.get(key) ?? new Set();
        subjects.set(key, ids.add(id));
      }
    },
    async find(id) {
      return live(id);
    },
    async recall(id) {
      return (revoked.get(id) ?? 0) > now() ? 'revoked' : live(id);
    },
    async adopt(id, grant) {
      if (!grants.has(id) && !revoked.has(id)) grants.set(id, grant);
    },
    async disown(id, until) {
      sweep();
      grants.delete(id);
      revoked.set(id, until);
    },
    async redeem(id, requester, count) {
      const grant = live(id);
      if (grant?.uses === undefined) return undefined;
      const redeemed = redeem(grant, grant.uses, requester, now());
      if (redeemed === 'new' && count) {
        grants.set(id, { ...grant, uses: withRequester(grant.uses, requester, now()) });
      }
      return redeemed;
    },
    async prolong(id, client, expiresAt) {
      const grant = own(id, client);
      if (grant === undefined || grant.foreign) return undefined;
      const prolonged = { ...grant, expiresAt };
      grants.set(id, prolonged);
      return prolonged;
    },
    async revoke(id, client) {
      const grant = own(id, client);
      if (grant !== undefined) end(id, grant);
      if (grant?.foreign) revoked.set(id, endOf(grant));
      return grant !== undefined;
    },
    async list(client, subject, limit, after) {
      const past = after && ([after.id, after.end] as const);
      const all = of(client, subject)
        .map((entry) => [entry, endOf(entry[1])] as const)
        .filter(([[id], ends]) => past === undefined || compare([id, ends], past) > 0)
        .sort(([[a], aEnds], [[b], bEnds]) => compare([a, aEnds], [b, bEnds]));
      const page = all.slice(0, limit);
      const last = page.at(-1);
      return {
        entries: page.map(([entry]) => entry),
        ...(all.length > limit && last && { next: { id: last[0][0], end: last[1] } }),
      };
    },
    async revokeSubject(client, subject) {
      const entries = of(client, subject);
      for (const [id, grant] of entries) end(id, grant);
      return entries.length;
    },
    async check() {
      return {};
    },
    async close() {
      grants.clear();
      subjects.clear();
      revoked.clear();
    },
  };
}

type Place = readonly [id: string, end: number];

function compare([a, aEnds]: Place, [b, bEnds]: Place): number {
  return aEnds - bEnds || (a < b ? -1 : Number(a > b));
}
