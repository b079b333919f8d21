import {
  type EventStore,
  LEASE_MS,
  MAX_DEAD_EVENTS,
  MAX_EVENTS,
  type TakenEvent,
} from '../domain/event.ts';
import type { StoreAccess } from './access.ts';
import { NOW } from './scripts.ts';
import { connect } from './server.ts';

/** No request waits for these commands. */
const TIMEOUT_MS = 5000;

const GROUP = 'postern';

/**
 * KEYS[1]: the stream; ARGV: its maximum length, then the ID and body of each event. Returns how many of the
 * oldest were dropped. One command adds all events, because a command costs more than an event.
 */
const ADD = `
for i = 2, #ARGV, 2 do redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'body', ARGV[i + 1]) end
return redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])
`;

/**
 * KEYS: the stream, and when each taken event is due; ARGV: how many, and for how long. Returns the age of
 * the oldest event, then for each taken one its entry, fields and attempt.
 *
 * An event that was taken stays in the group's list of pending entries. It is due again when its lease
 * or its delay ends: XAUTOCLAIM has one idle time for all entries, and each event has its own delay.
 */
const TAKE = `${NOW}
local stream, due, max = KEYS[1], KEYS[2], tonumber(ARGV[1])
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
if not oldest then return {0} end
local taken = {now - string.match(oldest[1], '^%d+')}
if max < 1 then return taken end
local function take(entry, attempt)
  redis.call('ZADD', due, now + ARGV[2], entry[1])
  taken[#taken + 1] = {entry[1], entry[2], attempt}
end
local isKnown = false
for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  if group[2] == '${GROUP}' then isKnown = true end
end
if not isKnown then redis.call('XGROUP', 'CREATE', stream, '${GROUP}', '0') end
for _, id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, max)) do
  local entry = redis.call('XCLAIM', stream, '${GROUP}', '${GROUP}', 0, id)[1]
  if entry then
    take(entry, redis.call('XPENDING', stream, '${GROUP}', id, id, 1)[1][4])
  else
    redis.call('ZREM', due, id)
  end
end
if #taken <= max then
  local read = redis.call('XREADGROUP', 'GROUP', '${GROUP}', '${GROUP}',
    'COUNT', max - #taken + 1, 'STREAMS', stream, '>')
  for _, entry in ipairs(read and read[1][2] or {}) do take(entry, 1) end
end
return taken
`;

/** KEYS as above; ARGV: the entry, and the milliseconds until it is due. TAKE finds out if it is gone. */
const LATER = `${NOW}
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
`;

/** KEYS as above, then the stream of dead events; ARGV: the entry, and the fields of a dead one. */
const END = `
if redis.call('XACK', KEYS[1], '${GROUP}', ARGV[1]) == 1 and #ARGV > 1 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ${MAX_DEAD_EVENTS}, '*', unpack(ARGV, 2))
end
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
`;

export interface RedisEventsOptions extends StoreAccess {
  /** Prefix of every key. */
  readonly prefix: string;
}

/**
 * Events in a stream, with a separate connection, so that they delay no decision. The braces keep the
 * keys in one cluster slot. A delivered event is deleted, so the stream has only those that wait.
 */
export function createRedisEvents(options: RedisEventsOptions): EventStore {
  const connection = connect({ ...options, timeoutMs: TIMEOUT_MS }, async () => {});
  const stream = `${options.prefix}{events}`;
  const keys = [stream, `${stream}:due`, `${stream}:dead`];

  async function run(script: string, ...args: Array<string | number>): Promise<unknown> {
    try {
      return await connection.redis.eval(script, keys.length, ...keys, ...args);
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  return {
    async add(events) {
      return Number(await run(ADD, MAX_EVENTS, ...events.flatMap(({ id, body }) => [id, body])));
    },

    async take(max) {
      const [oldestMs, ...taken] = (await run(TAKE, max, LEASE_MS)) as [number, ...RawEvent[]];
      return { events: taken.map(takenEvent), oldestMs };
    },

    async settle({ entry, id, body, attempt }, outcome) {
      if (outcome.kind === 'later') return void (await run(LATER, entry, outcome.afterMs));
      const { kind } = outcome;
      const fields = ['id', id, 'body', body, 'attempts', attempt];
      await run(END, entry, ...(kind === 'dead' ? [...fields, 'reason', outcome.reason] : []));
    },

    close: () => connection.close(),
  };
}

type RawEvent = readonly [entry: string, fields: readonly string[], attempt: number];

function takenEvent([entry, fields, attempt]: RawEvent): TakenEvent {
  const field = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
  return { entry, attempt, id: field('id'), body: field('body') };
}
