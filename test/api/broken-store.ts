import { type Store, StoreUnavailable } from '../../service/token/store.ts';

/** A store in which everything fails. */
export function brokenStore(error: Error = new StoreUnavailable('Connection is closed.')): Store {
  const fail = () => Promise.reject(error);
  return {
    issue: fail,
    find: fail,
    findTimed: fail,
    requesters: fail,
    addDelivered: fail,
    delivered: fail,
    findExternal: fail,
    saveExternal: fail,
    revokeExternal: fail,
    redeem: fail,
    countAttempt: fail,
    prolong: fail,
    revoke: fail,
    list: fail,
    revokeSubject: fail,
    revokeClient: fail,
    check: fail,
    close: () => Promise.resolve(),
  };
}
