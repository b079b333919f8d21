import type { Grant } from '../domain/grant.ts';
import type { Store } from '../domain/store.ts';

const SWEEP_EVERY_MS = 10_000;

/** Grants in this process: for one instance, and gone when it ends. */
export function createMemoryStore({ now = Date.now }: { now?: () => number } = {}): Store {
  const grants = new Map<string, Grant>();
  let swept = now();

  function live(id: string): Grant | undefined {
    const grant = grants.get(id);
    if (grant === undefined || grant.expiresAt > now()) return grant;
    grants.delete(id);
    return undefined;
  }

  function own(id: string, client: string): Grant | undefined {
    const grant = live(id);
    return grant?.client === client ? grant : undefined;
  }

  /** Frees what expired and was never asked for again. */
  function sweep(): void {
    if (now() - swept < SWEEP_EVERY_MS) return;
    swept = now();
    for (const id of grants.keys()) live(id);
  }

  return {
    async issue(issued) {
      sweep();
      for (const [id, grant] of issued) grants.set(id, grant);
    },
    async find(id) {
      return live(id);
    },
    async prolong(id, client, expiresAt) {
      const grant = own(id, client);
      if (grant === undefined) return undefined;
      const prolonged = { ...grant, expiresAt };
      grants.set(id, prolonged);
      return prolonged;
    },
    async revoke(id, client) {
      return own(id, client) !== undefined && grants.delete(id);
    },
    async revokeSubject(client, subject) {
      let revoked = 0;
      for (const [id, grant] of grants) {
        if (grant.subject === subject && own(id, client) !== undefined) {
          grants.delete(id);
          revoked += 1;
        }
      }
      return revoked;
    },
    async check() {
      return {};
    },
    async close() {
      grants.clear();
    },
  };
}
