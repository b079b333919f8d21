import { together } from '../../coalesce.ts';
import { type Grant, keptMs, latestEndOf } from '../../token/grant.ts';
import type { Entry, Store } from '../../token/store.ts';
import { unexpected } from '../connection/failure.ts';
import type { Commands } from './commands.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { ALLOW_OOM, GRANT, NOW, OWN } from './script-parts.ts';

/** How many ended entries a script removes at most: they take a quarter of a millisecond. */
const MAX_REMOVED = 1000;

/**
 * Adds token IDs to an index, each with how long it may stay, and removes ended ones. An entry stays a minute longer than
 * its grant, the index half a minute longer than its longest grant, so that not every entry changes its end.
 */
const ENTER = `
local slack, removable = 60000, ${MAX_REMOVED}
local function enter(index, lefts)
  local ended = math.min(redis.call('ZCOUNT', index, '-inf', now - slack), removable)
  removable = removable - ended
  if ended > 0 then redis.call('ZREMRANGEBYRANK', index, 0, ended - 1) end
  local add, longest = {'ZADD', index, 'GT'}, 0
  for id, left in pairs(lefts) do
    longest = math.max(longest, left)
    add[#add + 1] = now + left
    add[#add + 1] = id
  end
  redis.call(unpack(add))
  if redis.call('PTTL', index) < longest + slack / 2 then
    redis.call('PEXPIRE', index, longest + slack)
  end
end
`;

/**
 * KEYS: for each grant its key and three indexes, of which the last two may be the same. ARGV: for each grant the number
 * of its request, its record, its lifetime in milliseconds, and how long it stays in the indexes. Returns 1 or an error
 * for each request.
 *
 * The indexes come first: a grant that its index lacks would survive the revocation of its subject. If an index fails,
 * no grant of its requests is stored. A replica stores none: the error of the whole command ends its use.
 */
const ISSUE = `${NOW}${ENTER}
local entries, requests, results = {}, {}, {}
for i = 1, #KEYS, 4 do
  local id = string.match(KEYS[i], '{(.*)}')
  requests[id] = tonumber(ARGV[i])
  results[requests[id]] = 1
  for k = i + 1, i + 3 do
    entries[KEYS[k]] = entries[KEYS[k]] or {}
    entries[KEYS[k]][id] = ARGV[i + 3]
  end
end
for index, lefts in pairs(entries) do
  local isEntered, failure = pcall(enter, index, lefts)
  if not isEntered then
    if string.find(failure, '^READONLY') then return {err = failure} end
    for id in pairs(lefts) do results[requests[id]] = {err = failure} end
  end
end
for i = 1, #KEYS, 4 do
  local request = tonumber(ARGV[i])
  if results[request] == 1 then
    local stored = redis.pcall('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[i + 2])
    if stored.err then results[request] = stored end
  end
end
return results
`;

/** KEYS[1]: an index. ARGV: alternating its new entries, and how long they stay. */
const ENTER_ALL = `${NOW}${ENTER}
local lefts = {}
for i = 1, #ARGV, 2 do lefts[ARGV[i]] = ARGV[i + 1] end
enter(KEYS[1], lefts)
`;

/**
 * KEYS: the grant and its requesters. ARGV[2]: the new end; ARGV[3]: milliseconds until then; ARGV[4]: 1 if replicas
 * acknowledge an earlier end; ARGV[5]: 0 to change nothing if the end is a later one, which needs an entry in the indexes
 * first. Returns the record, and 'earlier' if a replica may still have a later end, 'later', or 'unchanged'; nil if the
 * grant is gone, belongs to another client, or is external.
 */
const PROLONG = `${ALLOW_OOM}${NOW}${OWN}
if grant.y then return false end
local left = tonumber(ARGV[3])
local admitted = grant.a or now + redis.call('PTTL', KEYS[1]) - kept
local latest = math.max(admitted, tonumber(redis.call('HGET', KEYS[2], 'we') or 0))
local isEarlier = now + left < latest
if not isEarlier and ARGV[5] == '0' then return {record, 'unchanged'} end
grant.x = tonumber(ARGV[2])
if isEarlier and ARGV[4] == '1' then
  redis.call('HSET', KEYS[2], 'we', string.format('%.0f', latest))
end
if grant.q then
  grant.a = now + left
  local last = redis.call('HGET', KEYS[2], 's' .. (redis.call('HGET', KEYS[2], 't') or ''))
  local began = last and string.match(last, '^%d+')
  if began then left = math.max(left, began + grant.o * 1000 - now) end
end
left = left + kept
redis.call('PEXPIRE', KEYS[2], left)
record = cjson.encode(grant)
redis.call('SET', KEYS[1], record, 'PX', left)
return {record, isEarlier and 'earlier' or 'later'}
`;

/** KEYS: the grant and its requesters. ARGV[1]: its end, which replicas have acknowledged. Another one may have followed. */
const END_ACKNOWLEDGED = `${GRANT}
if grant.x == tonumber(ARGV[1]) then redis.call('HDEL', KEYS[2], 'we') end
`;

/** The entries alternate: a token ID, and the milliseconds for which it stays in the index. */
type IndexEntries = ReadonlyArray<string | number>;

/** What ISSUE gets for a grant. */
interface Encoded {
  readonly names: readonly string[];
  readonly args: readonly [record: string, leftMs: number, indexedMs: number];
}

/** What one command may take: about a millisecond of Redis. Each grant takes GRANT_BYTES in addition to its record. */
const MAX_BYTES = 24 * 1024;
const GRANT_BYTES = 320;

/** `unchanged`: the grant has not changed yet, because the new end is a later one. */
interface Changed {
  readonly grant: Grant;
  readonly end: 'earlier' | 'later' | 'unchanged';
}

/** Stores grants with their entries in the indexes, and changes when a grant ends. */
export function createIssues(commands: Commands): Pick<Store, 'issue' | 'prolong'> {
  const { connection, keys, send, failed, run, replicas, acknowledged, now } = commands;
  const { isCluster } = connection;
  const lifeOf = (grant: Grant) => Math.max(1, grant.expiresAt + keptMs(grant) - now());
  const entryLifeOf = (grant: Grant) => lifeOf(grant) + latestEndOf(grant) - grant.expiresAt;

  /** In a cluster, a failover could lose the entry but not the grant. A revocation of the subject would miss it. */
  function enter(index: string, entries: IndexEntries): Promise<unknown> {
    const add = () => run(ENTER_ALL, [index], entries);
    return isCluster ? acknowledged(index, add) : add();
  }

  /** The requests of one turn of the event loop in one script: a script for each takes Redis twice the time. */
  const issueEncoded = together<readonly Encoded[], void>(
    async (requests) => {
      const grants = requests.flat();
      const names = grants.flatMap((grant) => grant.names);
      const args = requests.flatMap((request, i) =>
        request.flatMap((grant) => [i + 1, ...grant.args]),
      );
      const results = await run(ISSUE, names, args);
      if (!Array.isArray(results) || results.length !== requests.length) throw failed(unexpected());
      return results.map((result) => {
        if (result === 1) return undefined;
        if (!(result instanceof Error)) return unexpected();
        return failed(Object.assign(result, { command: { name: 'eval' } }));
      });
    },
    MAX_BYTES,
    (request) => request.reduce((sum, { args: [record] }) => sum + GRANT_BYTES + record.length, 0),
  );

  const issueTogether = (issued: readonly Entry[]) =>
    issueEncoded(
      issued.map(([id, grant]): Encoded => {
        const [client = '', path = '', subject = path] = keys.indexes(grant);
        return {
          names: [keys.grant(id), client, path, subject],
          args: [encodeRecord(id, grant), lifeOf(grant), entryLifeOf(grant)],
        };
      }),
    );

  /**
   * The keys are on several masters, which no script can reach together. So this stores the grants first, then
   * the index. A revocation between the two counts as earlier: it misses the grants, and the next one finds them.
   * If the index came first, such a revocation would remove the entries, and no later one would find the grants. If a
   * write fails, some grants may be stored, but no client receives their tokens.
   */
  async function issueInCluster(issued: readonly Entry[]): Promise<void> {
    const store = ([id, grant]: Entry) => {
      const key = keys.grant(id);
      return send(key, (redis) => redis.set(key, encodeRecord(id, grant), 'PX', lifeOf(grant)));
    };
    await Promise.all(issued.map(store));
    await Promise.all([...entriesOf(issued)].map(([index, entries]) => enter(index, entries)));
  }

  function entriesOf(issued: readonly Entry[]): ReadonlyMap<string, IndexEntries> {
    const indexes = new Map<string, Array<string | number>>();
    for (const [id, grant] of issued) {
      for (const index of keys.indexes(grant)) {
        const entries = indexes.get(index) ?? [];
        entries.push(id, entryLifeOf(grant));
        indexes.set(index, entries);
      }
    }
    return indexes;
  }

  /**
   * An earlier end is acknowledged like a revocation. A grant that is gone may have ended by one that replicas do not have
   * yet, so that is acknowledged, too. A later end is not: if it is lost, the token ends earlier.
   */
  async function prolong(id: string, client: string, expiresAt: number) {
    const key = keys.grant(id);
    const leftMs = () => Math.max(1, expiresAt - now());

    async function change(mayBeLater: boolean): Promise<Changed | undefined> {
      const flags = [Number(replicas !== undefined), Number(mayBeLater)];
      const args = [client, expiresAt, leftMs(), ...flags];
      const changed = await run(PROLONG, [key, keys.uses(id)], args);
      if (!Array.isArray(changed)) return undefined;
      const [record, end] = changed;
      return { grant: decodeRecord(id, record) as Grant, end };
    }

    const isNeeded = (changed?: Changed) => changed === undefined || changed.end === 'earlier';
    const acknowledgedChange = (mayBeLater: boolean) =>
      acknowledged(key, () => change(mayBeLater), isNeeded);

    let changed = await acknowledgedChange(false);
    if (changed?.end === 'unchanged') {
      const { grant } = changed;
      // The entries come first, because the grant must not outlive them.
      const entry = [id, leftMs() + latestEndOf(grant) - grant.expiresAt + keptMs(grant)];
      await Promise.all(keys.indexes(grant).map((index) => enter(index, entry)));
      changed = await acknowledgedChange(true);
    }
    if (changed === undefined) return undefined;
    // Nobody waits for it: if the mark stays, the next change of the end is acknowledged without need.
    if (replicas) run(END_ACKNOWLEDGED, [key, keys.uses(id)], [expiresAt]).catch(() => {});
    return changed.grant;
  }

  return { issue: isCluster ? issueInCluster : issueTogether, prolong };
}
