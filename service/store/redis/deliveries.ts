import {
  type Added,
  type AddedDelivery,
  type Delivered,
  type DeliveryEntry,
  MAX_RANGES,
} from '../../token/delivery.ts';
import type { Grant } from '../../token/grant.ts';
import type { Commands } from './commands.ts';
import { decodeRecord } from './record.ts';

/** The field in the hash of a grant's requesters (script-parts.ts) that has what nginx sent. */
export const DELIVERED_FIELD = 'd';

/** Tokens in one batch: about 0.1 ms of Redis, and at most 30 ms if each has a hundred ranges. */
const BATCH = 25;

/**
 * addDelivery() of token/delivery.ts, for several tokens. KEYS: for each the grant and its requesters;
 * ARGV: for each its requests, bytes, first and last time, the size or '', and the ranges. Returns for
 * each the client and the mount, and the record if this makes the file whole; nil if it is unknown.
 *
 * The field is `requests bytes first last whole size ranges`, and lives as long as the grant. `E` in the
 * record of a grant says that its `max_bytes` were sent, so that a decision needs no other key.
 */
const ADD_DELIVERED = `
local function merged(text)
  local list, merged = {}, {}
  for from, to in string.gmatch(text, '(%d+)-(%d+)') do
    list[#list + 1] = {from = tonumber(from), to = tonumber(to)}
  end
  table.sort(list, function(a, b) return a.from < b.from end)
  for _, range in ipairs(list) do
    local last = merged[#merged]
    if last and range.from <= last.to then
      last.to = math.max(last.to, range.to)
    elseif #merged < ${MAX_RANGES} then
      merged[#merged + 1] = range
    end
  end
  return merged
end

local function add(grants, uses, requests, bytes, first, last, size, ranges)
  local record = redis.call('GET', grants)
  local grant = record and cjson.decode(record)
  if not grant or not grant.c then return false end
  local held = redis.call('HGET', uses, '${DELIVERED_FIELD}')
  local whole = '0'
  if held then
    local heldSize, heldRanges, n, b, f, l
    n, b, f, l, whole, heldSize, heldRanges = string.match(held, '^(%d+) (%d+) (%d+) (%d+) (%d) (%d*) (.*)$')
    requests, bytes = requests + n, math.min(bytes + b, ${Number.MAX_SAFE_INTEGER})
    first, last = math.min(first, f), math.max(last, l)
    if size == '' or size == heldSize then ranges = heldRanges .. ',' .. ranges end
    if size == '' then size = heldSize end
  end
  local reply = {grant.c, grant.m, ''}
  if string.sub(grant.p, -1) == '/' then
    size, ranges = '', ''
  elseif whole == '1' then
    ranges = ''
  else
    local kept, texts = merged(ranges), {}
    for i, range in ipairs(kept) do texts[i] = string.format('%.0f-%.0f', range.from, range.to) end
    ranges = table.concat(texts, ',')
    local length = tonumber(size)
    if length and (length == 0 or (kept[1] and kept[1].from == 0 and kept[1].to >= length)) then
      whole, ranges, reply[3] = '1', '', record
    end
  end
  redis.call('HSET', uses, '${DELIVERED_FIELD}', string.format('%.0f %.0f %.0f %.0f %s %s %s',
    requests, bytes, first, last, whole, size, ranges))
  redis.call('PEXPIRE', uses, redis.call('PTTL', grants))
  if grant.M and not grant.E and tonumber(bytes) >= grant.M then
    grant.E = 1
    redis.call('SET', grants, cjson.encode(grant), 'KEEPTTL')
  end
  return reply
end

local replies = {}
for i = 1, #KEYS / 2 do
  replies[i] = add(KEYS[2 * i - 1], KEYS[2 * i], unpack(ARGV, 6 * i - 5, 6 * i))
end
return replies
`;

/** @param write rejects if a master does not accept a write */
export function createAddDelivered(
  { connection, keys, run }: Commands,
  write: (master: string) => Promise<void>,
) {
  const { isCluster, masterOf } = connection;

  async function add(entries: readonly DeliveryEntry[]): Promise<AddedDelivery[]> {
    const names = entries.flatMap(([id]) => [keys.grant(id), keys.uses(id)]);
    const args = entries.flatMap(([, { requests, bytes, first, last, size, ranges }]) => {
      const texts = ranges.map(([from, to]) => `${from}-${to}`);
      return [requests, bytes, first, last, size ?? '', texts.join()];
    });
    const replies = (await run(ADD_DELIVERED, names, args)) as Array<readonly string[] | null>;
    return entries.flatMap(([id, { requests, bytes }], i): AddedDelivery[] => {
      const reply = replies[i];
      if (!reply) return [];
      const [client = '', mount = '', record = ''] = reply;
      const completed = record !== '' && { completed: decodeRecord(id, record) as Grant };
      return [{ id, client, mount, requests, bytes, ...completed }];
    });
  }

  /**
   * Adds the deliveries of one master, a batch at a time, so that decisions need not wait for all. Another write comes
   * first: if Redis rejects it, the deliveries can be added later. If there is no reply to a batch, Redis may have it.
   */
  async function addTo(master: string, entries: readonly DeliveryEntry[]): Promise<Added> {
    const added: AddedDelivery[] = [];
    const lost: DeliveryEntry[] = [];
    try {
      await write(master);
    } catch {
      return { added, unsent: entries, lost };
    }
    for (let begin = 0; begin < entries.length; begin += BATCH) {
      const batch = entries.slice(begin, begin + BATCH);
      const before = lost.length;
      // In a cluster, a script reaches the keys of one token only.
      const scripts = isCluster ? batch.map((entry) => [entry]) : [batch];
      await Promise.all(
        scripts.map(async (script) => {
          try {
            added.push(...(await add(script)));
          } catch {
            lost.push(...script);
          }
        }),
      );
      // Each further batch of a master that hangs would take until the timeout.
      const isLost = lost.length === before + batch.length;
      if (isLost) return { added, unsent: entries.slice(begin + BATCH), lost };
    }
    return { added, unsent: [], lost };
  }

  return async (entries: readonly DeliveryEntry[]): Promise<Added> => {
    const masters = entries.map(([id]) => masterOf(keys.grant(id)));
    const own = (master: string) => entries.filter((_, i) => masters[i] === master);
    const added = await Promise.all(
      [...new Set(masters)].map((master) => addTo(master, own(master))),
    );
    return {
      added: added.flatMap(({ added }) => added),
      unsent: added.flatMap(({ unsent }) => unsent),
      lost: added.flatMap(({ lost }) => lost),
    };
  };
}

export function decodeDelivered(field: string): Delivered {
  const [requests, bytes, first, last, whole, size] = field.split(' ');
  return {
    requests: Number(requests),
    bytes: Number(bytes),
    first: Number(first),
    last: Number(last),
    ...(size !== '' && { size: Number(size) }),
    whole: whole === '1',
  };
}
