import { Gauge, type Registry } from 'prom-client';
import type { Store } from '../domain/store.ts';
import { countsBy, timesBy } from './counts.ts';
import type { TokenRecorder } from './tokens.ts';

/** An operation of the store that is measured; `findTimed` is a `find`. */
export type Operation = Exclude<keyof Store, 'close' | 'findTimed'>;

export interface StoreRecorder {
  /** `began`: by `performance.now()`. */
  answered(operation: Operation, began: number): void;
  failed(operation: Operation, began: number): void;
  /** News of the connection. */
  connected(up: boolean): void;
}

/** As the label `operation` has them. */
const NAMES = {
  issue: 'issue',
  find: 'find',
  redeem: 'redeem',
  requesters: 'requesters',
  recall: 'recall',
  adopt: 'adopt',
  disown: 'disown',
  prolong: 'prolong',
  revoke: 'revoke',
  list: 'list',
  revokeSubject: 'revoke_subject',
  check: 'check',
} as const satisfies Record<Operation, string>;

export function storeRecorder(registry: Registry): StoreRecorder {
  const label = 'operation';
  const times = timesBy(
    registry,
    {
      name: 'postern_store_seconds',
      help: 'How long an operation of the store took, those that failed too.',
      label,
    },
    Object.values(NAMES),
  );
  const errors = countsBy(
    registry,
    { name: 'postern_store_errors_total', help: 'Operations of the store that failed.', label },
    Object.values(NAMES),
  );
  // A number of our own: the gauge's `set` would cost each operation more than its clock.
  let up = 0;
  new Gauge({
    name: 'postern_store_up',
    help: 'Whether the last operation of the store was answered; 0 while there is no connection.',
    registers: [registry],
    collect() {
      this.set(up);
    },
  });

  function took(operation: Operation, began: number): void {
    times[NAMES[operation]].observe((performance.now() - began) / 1000);
  }

  return {
    answered(operation, began) {
      took(operation, began);
      up = 1;
    },
    failed(operation, began) {
      took(operation, began);
      errors[NAMES[operation]].inc();
      up = 0;
    },
    connected(now) {
      up = Number(now);
    },
  };
}

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
