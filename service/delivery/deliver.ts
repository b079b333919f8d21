import type { Logger } from 'pino';
import type { Counted } from '../domain/delivery.ts';
import { type Grant, isFolder } from '../domain/grant.ts';
import type { Store } from '../domain/store.ts';
import { withoutTokens } from '../domain/without-tokens.ts';
import type { Deliver } from './collect.ts';

interface DeliverDependencies {
  readonly store: Store;
  readonly recordBytes: (counted: Counted) => void;
  readonly log: Logger;
}

/** Adds what nginx sent to the store, and reports what was not known before. */
export function createDeliver({ store, recordBytes, log }: DeliverDependencies): Deliver {
  return async function deliver(entries) {
    const counted = await store.addDelivered(entries);
    for (const one of counted) {
      recordBytes(one);
      if (one.completed !== undefined) completed(one.id, one.completed);
    }
    return counted;
  };

  /** nginx has sent the whole file of a token. Called once for a token, in one of the instances. */
  function completed(id: string, { client, subject, covers, site }: Grant): void {
    log.info(
      {
        token_id: id,
        client,
        subject: subject === undefined ? undefined : withoutTokens(subject),
        [isFolder(covers) ? 'prefix' : 'path']: withoutTokens(covers),
        site,
      },
      'delivered',
    );
  }
}
