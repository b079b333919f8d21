import type { Store } from '../domain/store.ts';
import type { Operation, StoreRecorder } from './store.ts';
import type { TokenRecorder } from './tokens.ts';

/** What {@link measuredStore} tells. */
export interface StoreMetrics {
  readonly store: StoreRecorder;
  readonly tokens: TokenRecorder;
}

/** A store that does what another does, and tells how long it took and what became of tokens. */
export function measuredStore(store: Store, metrics: StoreMetrics): Store {
  const { store: recorder, tokens } = metrics;

  /** The clock is read where the arguments are made, from left to right: before the store begins. */
  async function timed<T>(operation: Operation, began: number, answer: Promise<T>): Promise<T> {
    try {
      const value = await answer;
      recorder.answered(operation, began);
      return value;
    } catch (error) {
      recorder.failed(operation, began);
      throw error;
    }
  }
  const now = () => performance.now();

  return {
    issue: (grants) => timed('issue', now(), store.issue(grants)),
    find: (id) => timed('find', now(), store.find(id)),
    findTimed: (id) => timed('find', now(), store.findTimed(id)),
    requesters: (id) => timed('requesters', now(), store.requesters(id)),
    recall: (id) => timed('recall', now(), store.recall(id)),
    adopt: (id, grant) => timed('adopt', now(), store.adopt(id, grant)),
    prolong: (id, client, end) => timed('prolong', now(), store.prolong(id, client, end)),
    list: (client, subject, limit, after) =>
      timed('list', now(), store.list(client, subject, limit, after)),
    check: () => timed('check', now(), store.check()),
    close: () => store.close(),

    async redeem(id, requester, count) {
      const redeemed = await timed('redeem', now(), store.redeem(id, requester, count));
      if (redeemed === 'new' && count) tokens.redeemed();
      return redeemed;
    },
    async revoke(id, client) {
      const revoked = await timed('revoke', now(), store.revoke(id, client));
      if (revoked) tokens.revoked(1);
      return revoked;
    },
    async disown(id, until) {
      await timed('disown', now(), store.disown(id, until));
      tokens.revoked(1);
    },
    async revokeSubject(client, subject) {
      const revoked = await timed('revokeSubject', now(), store.revokeSubject(client, subject));
      tokens.revoked(revoked);
      return revoked;
    },
  };
}
