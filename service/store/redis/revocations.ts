import { nextTurn } from '../../token/queue.ts';
import type { Store, Turn } from '../../token/store.ts';
import { REVOKED } from './record.ts';
import * as scripts from './scripts.ts';
import { PIECE, type Shared } from './shared.ts';

type Revocations = Pick<
  Store,
  'revoke' | 'revokeExternal' | 'revokeSigned' | 'revokeSubject' | 'revokeClient'
>;

/**
 * KEYS[1]: before which time the external tokens of a subject are revoked; ARGV: that time, and until when it is
 * remembered. The later of two counts.
 */
const REVOKE_SIGNED = `${scripts.NOW}
local before = math.max(ARGV[1], redis.call('GET', KEYS[1]) or 0)
redis.call('SET', KEYS[1], before, 'PX', math.max(1, ARGV[2] - now, redis.call('PTTL', KEYS[1])))
`;

/** Ends grants: one, or all that an index names. Replicas confirm each of these operations. */
export function createRevocations({ connection, keys, reply, run, replicas, confirmed }: Shared) {
  const { redis } = connection;

  /** Ends some of the grants that an index names, and counts them. Undefined: it names none. */
  async function endPiece(index: string): Promise<number | undefined> {
    // In a cluster, a failover could undo the removal of a grant, but not the removal from the index.
    const confirmGrants = connection.isCluster ? replicas?.begin() : undefined;
    const ids = await reply(() => redis.zrange(index, 0, String(PIECE - 1)));
    if (ids.length === 0) return undefined;
    // Together: an unhandled rejection would end the process.
    const [, ended] = await Promise.all([
      reply(() => connection.unlink(ids.map(keys.uses))),
      reply(() => connection.unlink(ids.map(keys.grant))),
    ]);
    await confirmGrants?.();
    // Last, so that the next revocation or list finishes an interrupted one.
    await reply(() => redis.zrem(index, ...ids));
    return ended;
  }

  /** Ends all grants that are in an index now. */
  function endIndex(index: string, turn: Turn): Promise<number> {
    const ending = keys.ending(index);
    return confirmed(undefined, async () => {
      let revoked = 0;
      for (let isBusy: unknown = 1; isBusy === 1; ) {
        isBusy = await run(scripts.START_ENDING, [index, ending], []);
        for (let ended: number | undefined = 0; ended !== undefined; ) {
          revoked += ended;
          await turn();
          ended = await endPiece(ending);
        }
      }
      return revoked;
    });
  }

  const revocations: Revocations = {
    async revoke(id, client) {
      const key = keys.grant(id);
      const revoke = () => run(scripts.REVOKE, [key, keys.uses(id)], [client, REVOKED]);
      const revoked = await confirmed(key, revoke);
      if (!Array.isArray(revoked)) return false;
      const [covers, subject] = revoked;
      const left = covers === undefined ? [] : keys.indexes({ client, covers, subject });
      // Nobody waits for it: an index may name grants that are gone.
      for (const index of left) redis.zrem(index, id).catch(() => {});
      return true;
    },

    async revokeExternal(id, until) {
      const key = keys.grant(id);
      await confirmed(key, () => run(scripts.REVOKE_EXTERNAL, [key], [REVOKED, until ?? '']));
      // Nobody waits for it, because it expires. In the script, a second key would fail while a slot moves.
      connection.unlink([keys.uses(id)]).catch(() => {});
    },

    async revokeSigned(subjectId, before, until) {
      const key = keys.signed(subjectId);
      await confirmed(key, () => run(REVOKE_SIGNED, [key], [before, until]));
    },

    revokeSubject: (client, subject, turn = nextTurn) =>
      endIndex(keys.index(client, { subject }), turn),
    revokeClient: (client, turn = nextTurn) => endIndex(keys.index(client, {}), turn),
  };
  return { revocations, endPiece };
}
