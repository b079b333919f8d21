import { Gauge, type Registry } from 'prom-client';
import type { Store } from '../domain/store.ts';
import { countsBy } from './counts.ts';
import { timesBy } from './times.ts';

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
