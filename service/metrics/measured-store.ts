import type { Issue } from '../issue/issue.ts';
import { type Store, Unacknowledged } from '../token/store.ts';
import { isOpaque } from '../token/token.ts';
import type { Instruments } from './instruments.ts';

/** Times the operations of a store, and counts issued, redeemed and revoked tokens. */
export function storeMetrics({ counts, countsBy, times, gauge }: Instruments) {
  const issued = countsBy('postern_tokens_issued_total', 'format', 'opaque', 'jwt');
  const redeemed = counts('postern_tokens_redeemed_total')();
  const revoked = counts('postern_tokens_revoked_total')();
  const secondsOf = times('postern_store_operation_seconds', 'operation');
  const errorsOf = counts('postern_store_errors_total', 'operation');
  const [yes, no] = ['acknowledged', 'unacknowledged'] as const;
  const acknowledgments = countsBy('postern_store_acknowledgments_total', 'result', yes, no);
  const redirections = counts('postern_store_redirections_total')();
  const late = countsBy('postern_store_late_replies_total', 'cause', 'loop', 'store');
  // A plain variable: setting a gauge would cost each operation more than reading the clock.
  let up = 0;
  gauge('postern_store_up', () => up);
  let evicting = 0;
  gauge('postern_store_evicting', () => evicting);

  /** `count` gets the result and the arguments. */
  function timed<Args extends unknown[], T>(
    operation: string,
    call: (...args: Args) => Promise<T>,
    count: (value: T, ...args: Args) => void = () => {},
  ) {
    const seconds = secondsOf(operation);
    const errors = errorsOf(operation);
    return async (...args: Args): Promise<T> => {
      const began = performance.now();
      try {
        const value = await call(...args);
        up = 1;
        count(value, ...args);
        return value;
      } catch (error) {
        errors.inc();
        // Redis answered. Only its replicas did not.
        up = Number(error instanceof Unacknowledged);
        throw error;
      } finally {
        seconds.observe((performance.now() - began) / 1000);
      }
    };
  }

  return {
    storeObserver: {
      connected(isConnected: boolean): void {
        up = Number(isConnected);
      },
      acknowledged: (isAcknowledged: boolean) => acknowledgments[isAcknowledged ? yes : no].inc(),
      evicts(isEvicting: boolean): void {
        evicting = Number(isEvicting);
      },
      redirected: () => redirections.inc(),
      late: (cause: 'loop' | 'store') => late[cause].inc(),
    },

    measuredStore: (store: Store): Store => ({
      issue: timed('issue', store.issue),
      find: timed('find', store.find),
      countAttempt: timed('count_attempt', store.countAttempt),
      requesters: timed('requesters', store.requesters),
      addDelivered: timed('add_delivered', store.addDelivered, ({ unsent, lost }) => {
        if (unsent.length + lost.length === 0) return;
        errorsOf('add_delivered').inc();
        up = 0;
      }),
      delivered: timed('delivered', store.delivered),
      saveExternal: timed('save_external', store.saveExternal),
      revokeExternal: timed('revoke_external', store.revokeExternal, () => revoked.inc()),
      revokeSigned: timed('revoke_signed', store.revokeSigned),
      prolong: timed('prolong', store.prolong),
      list: timed('list', store.list),
      check: timed('check', store.check),
      redeem: timed('redeem', store.redeem, (result, _id, _requester, isCounted) => {
        if (result === 'new' && isCounted) redeemed.inc();
      }),
      revoke: timed('revoke', store.revoke, (wasLive) => revoked.inc(Number(wasLive))),
      revokeAll: timed('revoke_all', store.revokeAll, (count) => revoked.inc(count)),
      close: store.close,
    }),

    /** Counts issued tokens. The store is not called for a JWT with `revocable: false`. */
    measuredIssue(issue: Issue): Issue {
      return async (...args) => {
        const tokens = await issue(...args);
        const opaque = tokens.filter(({ token }) => isOpaque(token)).length;
        issued.opaque.inc(opaque);
        issued.jwt.inc(tokens.length - opaque);
        return tokens;
      };
    },
  };
}
