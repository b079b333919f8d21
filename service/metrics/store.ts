import { Counter, Gauge, type Registry } from 'prom-client';
import type { Format, Issue } from '../domain/issue.ts';
import type { Store } from '../domain/store.ts';
import { isOpaque } from '../domain/token.ts';
import { countsBy, timesBy } from './counts.ts';

/** A measured operation of the store; `findTimed` counts as `find`. */
type Operation = Exclude<keyof Store, 'close' | 'findTimed'>;

/** Values of the label `operation`. */
const LABELS = {
  issue: 'issue',
  find: 'find',
  redeem: 'redeem',
  countAttempt: 'count_attempt',
  requesters: 'requesters',
  findExternal: 'find_external',
  saveExternal: 'save_external',
  revokeExternal: 'revoke_external',
  prolong: 'prolong',
  revoke: 'revoke',
  list: 'list',
  revokeSubject: 'revoke_subject',
  check: 'check',
} as const satisfies Record<Operation, string>;

type StoreRecorder = ReturnType<typeof storeRecorder>;

/** Records store operations. `began`: by `performance.now()`. */
export function storeRecorder(registry: Registry) {
  const label = 'operation';
  const operations = Object.values(LABELS);
  const timesAbout = {
    name: 'postern_store_seconds',
    help: 'Duration of store operations in seconds, including failed ones.',
    label,
  };
  const errorsAbout = {
    name: 'postern_store_errors_total',
    help: 'Store operations that failed.',
    label,
  };
  const times = timesBy(registry, timesAbout, operations);
  const errors = countsBy(registry, errorsAbout, operations);
  // A plain variable: the gauge's `set` would cost each operation more than reading the clock.
  let up = 0;
  new Gauge({
    name: 'postern_store_up',
    help: '1 if the store answered the last operation; 0 without a connection.',
    registers: [registry],
    collect() {
      this.set(up);
    },
  });

  function took(operation: Operation, began: number): void {
    times[LABELS[operation]].observe((performance.now() - began) / 1000);
  }

  return {
    answered(operation: Operation, began: number): void {
      took(operation, began);
      up = 1;
    },
    failed(operation: Operation, began: number): void {
      took(operation, began);
      errors[LABELS[operation]].inc();
      up = 0;
    },
    connected(isConnected: boolean): void {
      up = Number(isConnected);
    },
  };
}

type TokenRecorder = ReturnType<typeof tokenRecorder>;

export function tokenRecorder(registry: Registry) {
  const registers = [registry];
  const issued = countsBy<Format>(
    registry,
    { name: 'postern_tokens_issued_total', help: 'Tokens issued, by format.', label: 'format' },
    ['opaque', 'jwt'],
  );
  const redeemed = new Counter({
    name: 'postern_tokens_redeemed_total',
    help: 'First uses of tokens with max_uses or resume_for.',
    registers,
  });
  const revoked = new Counter({
    name: 'postern_tokens_revoked_total',
    help: 'Tokens revoked, one by one or by subject.',
    registers,
  });
  return {
    issued: (format: Format) => issued[format].inc(),
    redeemed: () => redeemed.inc(),
    revoked: (count: number) => revoked.inc(count),
  };
}

interface Recorders {
  readonly store: StoreRecorder;
  readonly tokens: TokenRecorder;
}

/** Wraps a store: times its operations, and counts redeemed and revoked tokens. */
export function measuredStore(store: Store, { store: recorder, tokens }: Recorders): Store {
  /** `began` is an argument so that the clock is read before the store starts. */
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
    countAttempt: (id, max) => timed('countAttempt', now(), store.countAttempt(id, max)),
    requesters: (id) => timed('requesters', now(), store.requesters(id)),
    findExternal: (id) => timed('findExternal', now(), store.findExternal(id)),
    saveExternal: (id, grant) => timed('saveExternal', now(), store.saveExternal(id, grant)),
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
    async revokeExternal(id, until) {
      await timed('revokeExternal', now(), store.revokeExternal(id, until));
      tokens.revoked(1);
    },
    async revokeSubject(client, subject) {
      const revoked = await timed('revokeSubject', now(), store.revokeSubject(client, subject));
      tokens.revoked(revoked);
      return revoked;
    },
  };
}

/** Counts issued tokens. The store is not called for a JWT with `revocable: false`. */
export function measuredIssue(issue: Issue, tokens: TokenRecorder): Issue {
  return async (client, requests) => {
    const issued = await issue(client, requests);
    for (const { token } of issued) tokens.issued(isOpaque(token) ? 'opaque' : 'jwt');
    return issued;
  };
}
