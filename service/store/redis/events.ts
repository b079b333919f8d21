import {
  CAUSES,
  type Cause,
  type EventStore,
  LEASE_MS,
  MAX_DEAD_EVENTS,
  MAX_STORED_EVENTS,
  type TakenEvent,
} from '../../events/event.ts';
import { connect } from '../connection/server.ts';
import type { StoreAccess } from '../connection/url.ts';
import { NOW } from './script-parts.ts';

/** No request waits for these commands. */
const TIMEOUT_MS = 5000;

const GROUP = 'postern';

/**
 * KEYS: the streams; ARGV: their maximum length, then for each event the number of its stream, its ID and its body. Returns
 * how many of the oldest were dropped. One command adds all events, because a command costs more than an event.
 */
const ADD = `
for i = 2, #ARGV, 3 do
  redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'id', ARGV[i + 1], 'body', ARGV[i + 2])
end
local dropped = 0
for _, stream in ipairs(KEYS) do
  dropped = dropped + redis.call('XTRIM', stream, 'MAXLEN', '~', ARGV[1])
end
return dropped
`;

/** The clock of Redis may differ by so much from the time that TAKE has stored. */
const MAX_STEP_MS = 1000;

/**
 * KEYS: the time of an earlier call, then for each stream the stream, and when each taken event is due; ARGV:
 * how many, and for how long. Returns the age of the oldest event, then for each taken one the number of its
 * stream, its entry, fields and attempt.
 *
 * An event that was taken stays in the group's list of pending entries. It is due again when its lease
 * or its delay ends: XAUTOCLAIM has one idle time for all entries, and each event has its own delay. If the
 * clock of Redis was set back, these times move back with it. Otherwise nothing would be due until the clock
 * reaches the old time again.
 */
const TAKE = `${NOW}
local clock, max, oldest, taken, isWaiting = KEYS[1], tonumber(ARGV[1]), 0, {}, false
local seen = tonumber(redis.call('GET', clock) or 0)

local function shift(due, back)
  local ids = redis.call('ZRANGE', due, 0, -1, 'WITHSCORES')
  for i = 1, #ids, 2 do redis.call('ZADD', due, ids[i + 1] - back, ids[i]) end
end

local function take(number, stream, due)
  if seen > now + ${MAX_STEP_MS} then shift(due, seen - now) end
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not first then return end
  isWaiting = true
  oldest = math.max(oldest, now - string.match(first[1], '^%d+'))
  if #taken >= max then return end
  local function add(entry, attempt)
    redis.call('ZADD', due, now + ARGV[2], entry[1])
    taken[#taken + 1] = {number, entry[1], entry[2], attempt}
  end
  local isKnown = false
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if group[2] == '${GROUP}' then isKnown = true end
  end
  if not isKnown then redis.call('XGROUP', 'CREATE', stream, '${GROUP}', '0') end
  for _, id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, max - #taken)) do
    local entry = redis.call('XCLAIM', stream, '${GROUP}', '${GROUP}', 0, id)[1]
    if entry then
      add(entry, redis.call('XPENDING', stream, '${GROUP}', id, id, 1)[1][4])
    else
      redis.call('ZREM', due, id)
    end
  end
  if #taken < max then
    local read = redis.call('XREADGROUP', 'GROUP', '${GROUP}', '${GROUP}',
      'COUNT', max - #taken, 'STREAMS', stream, '>')
    for _, entry in ipairs(read and read[1][2] or {}) do add(entry, 1) end
  end
end

for i = 2, #KEYS, 2 do take(i / 2, KEYS[i], KEYS[i + 1]) end
if isWaiting and math.abs(now - seen) > ${MAX_STEP_MS} then redis.call('SET', clock, now) end
return {oldest, unpack(taken)}
`;

/** KEYS[1]: when events are due; ARGV: the entry, and the milliseconds until it is due. TAKE finds out if it is gone. */
const LATER = `${NOW}
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
`;

/** KEYS: the stream, when its events are due, and dead events; ARGV: the entry, and the fields of a dead event. */
const END = `
if redis.call('XACK', KEYS[1], '${GROUP}', ARGV[1]) == 1 and #ARGV > 1 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ${MAX_DEAD_EVENTS}, '*', unpack(ARGV, 2))
end
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
`;

export interface RedisEventsOptions extends StoreAccess {
  readonly prefix: string;
}

/**
 * Events in two streams, with a separate connection, so that they delay no decision. The braces keep the
 * keys in one cluster slot. A delivered event is deleted, so a stream has only those that wait.
 */
export function createRedisEvents(options: RedisEventsOptions): EventStore {
  const connection = connect({ ...options, timeoutMs: TIMEOUT_MS }, async () => {});
  const name = `${options.prefix}{events}`;
  const streams = { application: name, requesters: `${name}:requesters` };
  const [clock, dead] = [`${name}:clock`, `${name}:dead`];
  const dueOf = (cause: Cause) => `${streams[cause]}:due`;
  const queues = CAUSES.flatMap((cause) => [streams[cause], dueOf(cause)]);

  async function run(
    script: string,
    keys: readonly string[],
    ...args: Array<string | number>
  ): Promise<unknown> {
    try {
      const [key = ''] = keys;
      return await connection.send(key, (redis) =>
        redis.eval(script, keys.length, ...keys, ...args),
      );
    } catch (error) {
      throw connection.failureOf(error as Error);
    }
  }

  return {
    async add(events) {
      const args = events.flatMap(({ cause, id, body }) => [CAUSES.indexOf(cause) + 1, id, body]);
      const all = CAUSES.map((cause) => streams[cause]);
      return Number(await run(ADD, all, MAX_STORED_EVENTS, ...args));
    },

    async take(max) {
      const reply = await run(TAKE, [clock, ...queues], max, LEASE_MS);
      const [oldestMs, ...taken] = reply as [number, ...RawEvent[]];
      return { events: taken.map(takenEvent), oldestMs };
    },

    async settle({ entry, cause, id, body, attempt }, outcome) {
      const due = dueOf(cause);
      if (outcome.kind === 'later') return void (await run(LATER, [due], entry, outcome.afterMs));
      const { kind } = outcome;
      const fields = ['id', id, 'body', body, 'attempts', attempt];
      const last = kind === 'dead' ? [...fields, 'reason', outcome.reason] : [];
      await run(END, [streams[cause], due, dead], entry, ...last);
    },

    close: () => connection.close(),
  };
}

type RawEvent = readonly [
  number: number,
  entry: string,
  fields: readonly string[],
  attempt: number,
];

function takenEvent([number, entry, fields, attempt]: RawEvent): TakenEvent {
  const field = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
  const cause = CAUSES[number - 1] as Cause;
  return { entry, cause, attempt, id: field('id'), body: field('body') };
}
