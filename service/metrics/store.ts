import { Counter, type Registry } from 'prom-client';
import type { Format, Issue } from '../domain/issue.ts';
import type { Store } from '../domain/store.ts';
import { isOpaque } from '../domain/token.ts';
import { countsBy, gauge, timesBy } from './counts.ts';

/** A measured operation of the store; `findTimed` counts as `find`. */
type Operation = Exclude<keyof Store, 'close' | 'findTimed'>;

/** Values of the label `operation`. */
const LABELS = {
  issue: 'issue',
  find: 'find',
  redeem: 'redeem',
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
  // A plain variable: setting a gauge would cost each operation more than reading the clock.
  let up = 0;
  const upHelp = '1 if the store answered the last operation; 0 without a connection.';
  gauge(registry, 'postern_store_up', upHelp, () => up);

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
  /** `count` gets the result and the arguments. */
  function timed<Args extends unknown[], T>(
    operation: Operation,
    call: (...args: Args) => Promise<T>,
    count: (value: T, ...args: Args) => void = () => {},
  ) {
    return async (...args: Args): Promise<T> => {
      const began = performance.now();
      try {
        const value = await call(...args);
        recorder.answered(operation, began);
        count(value, ...args);
        return value;
      } catch (error) {
        recorder.failed(operation, began);
        throw error;
      }
    };
  }

  return {
    issue: timed('issue', store.issue),
    find: timed('find', store.find),
    findTimed: timed('find', store.findTimed),
    requesters: timed('requesters', store.requesters),
    findExternal: timed('findExternal', store.findExternal),
    saveExternal: timed('saveExternal', store.saveExternal),
    prolong: timed('prolong', store.prolong),
    list: timed('list', store.list),
    check: timed('check', store.check),
    close: store.close,
    redeem: timed('redeem', store.redeem, (redeemed, _id, _requester, isCounted) => {
      if (redeemed === 'new' && isCounted) tokens.redeemed();
    }),
    revoke: timed('revoke', store.revoke, (revoked) => tokens.revoked(Number(revoked))),
    revokeExternal: timed('revokeExternal', store.revokeExternal, () => tokens.revoked(1)),
    revokeSubject: timed('revokeSubject', store.revokeSubject, tokens.revoked),
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
