/**
 * Lua scripts: changes that must be atomic and use Redis' own clock. record.ts has the fields of a record and the
 * names of the keys. A grant's key ends with its token ID in braces.
 *
 * The requesters of a grant are in a separate hash, so that the cost of a use does not depend on their
 * number. `t` is their number, `s<number>` is one of them (start, cookie, address), `c<cookie>` and
 * `a<address>` are its start, and `h` is how many of the oldest were dropped beyond the maximum.
 * `wc<cookie>` and `wa<address>` exist until replicas have acknowledged the use. Until then a failover could lose it,
 * and another requester could take it. `we` is the latest end that a replica may still have, until replicas have
 * acknowledged an earlier one. `d` is what nginx sent, for any grant: see deliveries.ts.
 *
 * cjson cannot write an empty list or a number of more than 14 digits. Records have neither.
 *
 * This file has more than 300 lines, so that all scripts that change a grant are beside each other.
 */

/** Begins a script that takes rights away. A Redis without memory must accept it: it needs little memory. */
export const ALLOW_OOM = '#!lua flags=allow-oom';

/** Redis' clock, in milliseconds since the epoch. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS[1]: the grant. */
const GRANT = `
local record = redis.call('GET', KEYS[1])
if not record then return false end
local grant = cjson.decode(record)
local kept = (grant.D or 0) * 1000
`;

/** A grant may be changed by the client that issued it: ARGV[1]. */
const OWN = `${GRANT}
if grant.c ~= ARGV[1] then return false end
`;

/** How many ended entries a script removes at most: they take a quarter of a millisecond. */
const MAX_REMOVED = 1000;

/**
 * Adds token IDs to an index, each with how long it may stay, after the removal of ended entries. An entry stays a
 * minute longer than its grant, and the index half a minute longer than its longest grant, so that not every entry
 * changes its end.
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
export const ISSUE = `${NOW}${ENTER}
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
export const ENTER_ALL = `${NOW}${ENTER}
local lefts = {}
for i = 1, #ARGV, 2 do lefts[ARGV[i]] = ARGV[i + 1] end
enter(KEYS[1], lefts)
`;

/**
 * redeem() of token/uses.ts. KEYS: the grant and its requesters; ARGV: 1 to count a use, 2 if it also
 * waits for replicas, else 0; the maximum number of requesters to keep; the new cookie; the address or ''; the time
 * at which the end is judged, or '' for now; then the cookies. If the record has `b`, an address identifies nobody.
 *
 * Before the first use, the key expires when no new requester is admitted. From then on it lives for
 * requesters that resume, and the record keeps the time of admission (`a`) and that there was a use
 * (`q`): if the requesters are lost, the grant can no longer be used.
 */
export const REDEEM = `${NOW}${GRANT}
if not grant.o then return false end
local address = grant.b and '' or ARGV[4]
local admitted = grant.a or now + redis.call('PTTL', KEYS[1]) - kept
local at = tonumber(ARGV[5]) or now
local admits = at < admitted
local total, forgotten = 0, 0
if grant.q then
  local counts = redis.call('HMGET', KEYS[2], 't', 'h')
  if not counts[1] then return false end
  total, forgotten = tonumber(counts[1]), tonumber(counts[2] or 0)
  local names = {}
  for i = 6, #ARGV do names[#names + 1] = 'c' .. ARGV[i] end
  if address ~= '' then names[#names + 1] = 'a' .. address end
  local began = #names > 0 and redis.call('HMGET', KEYS[2], unpack(names)) or {}
  for i = 1, #names do
    if began[i] and (admits or at < began[i] + grant.o * 1000) then
      if ARGV[1] ~= '0' and (grant.A or 0) > 0 then
        grant.A = grant.A - 1
        redis.call('SET', KEYS[1], cjson.encode(grant), 'KEEPTTL')
      end
      return redis.call('HGET', KEYS[2], 'w' .. names[i]) and 'unacknowledged' or 'known'
    end
  end
end
if not admits or (grant.n and total - forgotten >= grant.n) then return false end
if ARGV[1] == '0' then return 'new' end

if not grant.q or grant.A then
  grant.q = 1
  grant.a = admitted
  if grant.A then grant.A = math.max(0, grant.A - 1) end
  redis.call('SET', KEYS[1], cjson.encode(grant), 'KEEPTTL')
end
total = total + 1
redis.call('HSET', KEYS[2], 't', total, 'c' .. ARGV[3], now,
  's' .. total, now .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
local waits = ARGV[1] == '2'
if waits then redis.call('HSET', KEYS[2], 'wc' .. ARGV[3], '') end
if address ~= '' then
  redis.call('HSET', KEYS[2], 'a' .. address, now)
  if waits then redis.call('HSET', KEYS[2], 'wa' .. address, '') end
end
if total - forgotten > tonumber(ARGV[2]) then
  forgotten = forgotten + 1
  local cookie, from = string.match(redis.call('HGET', KEYS[2], 's' .. forgotten), ' (%S*) (%S*)')
  redis.call('HDEL', KEYS[2], 's' .. forgotten, 'c' .. cookie, 'a' .. from)
  redis.call('HSET', KEYS[2], 'h', forgotten)
end
local left = math.max(admitted - now, grant.o * 1000) + kept
if grant.y then
  left = redis.call('PTTL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], left)
end
redis.call('PEXPIRE', KEYS[2], left)
return 'new'
`;

/**
 * KEYS: the grant and its requesters; ARGV[1]: the maximum number of attempts to enter the PIN. Returns
 * the number with this one; 0 if none was left, which ends the grant. REDEEM gives an attempt back.
 */
export const COUNT_ATTEMPT = `${GRANT}
if not grant.P then return false end
grant.A = (grant.A or 0) + 1
if grant.A > tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 0
end
redis.call('SET', KEYS[1], cjson.encode(grant), 'KEEPTTL')
return grant.A
`;

/**
 * KEYS[1]: the grant of an external token; ARGV: its record, milliseconds in which new requesters are
 * admitted, and until when it is remembered. An existing value stays, also if it is a revocation.
 *
 * After that time, by Redis' clock, it is not saved again: an instance with a late clock would count
 * its uses from zero.
 */
export const SAVE_EXTERNAL = `${NOW}
local left = ARGV[3] - now
if left <= 0 then return end
local grant = cjson.decode(ARGV[1])
grant.a = now + ARGV[2]
redis.call('SET', KEYS[1], cjson.encode(grant), 'NX', 'PX', left)
`;

/**
 * KEYS[1]: the IDs of the external tokens that a client has revoked without an end; ARGV: one more, and how many it may
 * have. Returns 0 if it has them. In a cluster the revocation itself is elsewhere, so it comes second.
 */
export const COUNT_ENDLESS = `${ALLOW_OOM}
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCOUNT', KEYS[1], '-inf', '+inf') >= tonumber(ARGV[2]) then return 0 end
return redis.call('ZADD', KEYS[1], 0, ARGV[1])
`;

/**
 * KEYS[1]: the grant of an external token; ARGV: the record of a revocation, and until when it is
 * remembered, or '' for indefinitely. A revocation that lasts longer stays.
 */
export const REVOKE_EXTERNAL = `${ALLOW_OOM}${NOW}
local left = ARGV[2] ~= '' and math.max(1, ARGV[2] - now)
if redis.call('GET', KEYS[1]) == ARGV[1] then
  local lasts = redis.call('PTTL', KEYS[1])
  if lasts == -1 or (left and lasts >= left) then return end
end
if left then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', left)
else
  redis.call('SET', KEYS[1], ARGV[1])
end
`;

/**
 * KEYS[1]: before which time the external tokens of a subject are revoked; ARGV: the instance's clock and the seconds to
 * add to it, and for how many milliseconds more the time is remembered. Returns the time. The later of two counts: with
 * the clock of an instance that is slow, tokens would stay valid that were signed before.
 */
export const REVOKE_SIGNED = `${ALLOW_OOM}${NOW}
local signed = (math.max(ARGV[1], time[1]) + ARGV[2]) * 1000
local before = math.max(signed, redis.call('GET', KEYS[1]) or 0)
local left = math.max(before + ARGV[3] - now, redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], before, 'PX', left)
return before
`;

/**
 * KEYS: the grant and its requesters. ARGV[2]: the new end; ARGV[3]: milliseconds until then; ARGV[4]: 1 if replicas
 * acknowledge an earlier end; ARGV[5]: 0 to change nothing if the end is a later one, which needs an entry in the indexes
 * first. Returns the record, and 'earlier' if a replica may still have a later end, 'later', or 'unchanged'; nil if the
 * grant is gone, belongs to another client, or is external.
 */
export const PROLONG = `${ALLOW_OOM}${NOW}${OWN}
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
export const END_ACKNOWLEDGED = `${GRANT}
if grant.x == tonumber(ARGV[1]) then redis.call('HDEL', KEYS[2], 'we') end
`;

/**
 * KEYS: the grant and its requesters. Returns what names its indexes: its path, and its subject if it has
 * one; nil if there was no grant. An external token is in no index. It is remembered as revoked (ARGV[2]);
 * without that it would be valid again.
 */
export const REVOKE = `${ALLOW_OOM}${OWN}
redis.call('DEL', KEYS[2])
if grant.y then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return {}
end
redis.call('DEL', KEYS[1])
return {grant.p, grant.u}
`;

/**
 * KEYS: an index, and the key to which START_ENDING moves it; ARGV: the limit, then the score and ID of
 * the cursor, if any. Returns alternating IDs and scores, or 1 if a revocation is running or was
 * interrupted. If the cursor's entry is gone or moved, a temporary entry finds its position.
 */
export const LIST = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local first = 0
if ARGV[3] then
  if redis.call('ZSCORE', KEYS[1], ARGV[3]) == ARGV[2] then
    first = redis.call('ZRANK', KEYS[1], ARGV[3]) + 1
  else
    local mark = ARGV[3] .. '~'
    redis.call('ZADD', KEYS[1], ARGV[2], mark)
    first = redis.call('ZRANK', KEYS[1], mark)
    redis.call('ZREM', KEYS[1], mark)
  end
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
`;

/**
 * Separates existing grants from later ones. KEYS: an index, and the key to which it is moved. Returns 1 if that
 * key exists: a revocation is running or was interrupted.
 */
export const START_ENDING = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 0
`;
