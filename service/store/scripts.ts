/**
 * What must happen at once, by Redis' own clock. Field letters are those of record.ts; a grant's
 * key ends with a token id, which is 22 characters.
 *
 * cjson writes no empty list and no number of more than 14 digits: there are none in a record.
 */

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** A grant is none of another client's. KEYS[1]: the grant; ARGV[1]: the client. */
const OWN = `
local record = redis.call('GET', KEYS[1])
if not record then return false end
local grant = cjson.decode(record)
if grant.c ~= ARGV[1] then return false end
`;

/**
 * Enters an id in a subject's index, which lives as long as its longest grant. Entries of grants
 * that have ended go, so many at a time that nobody waits for it; they are kept a minute longer
 * than the grants, which end on their own key.
 */
const ENTER = `
local slack = 60000
local function tidy(index)
  local ended = redis.call('ZCOUNT', index, '-inf', now - slack)
  if ended > 0 then redis.call('ZREMRANGEBYRANK', index, 0, math.min(ended, 1000) - 1) end
end
local function enter(index, id, left)
  redis.call('ZADD', index, 'GT', now + left, id)
  redis.call('PEXPIRE', index, left + slack, 'NX')
  redis.call('PEXPIRE', index, left + slack, 'GT')
end
`;

/**
 * KEYS: the grants, then the indexes. ARGV: how many grants; then for each its record, its life in
 * milliseconds, the number of its index or 0, and how long it may stay in there.
 *
 * The indexes come first: what is missing there would outlive the revocation of its subject.
 */
export const ISSUE = `${NOW}${ENTER}
local count = tonumber(ARGV[1])
for i = count + 1, #KEYS do tidy(KEYS[i]) end
for i = 1, count do
  local index = tonumber(ARGV[4 * i])
  if index > 0 then enter(KEYS[count + index], string.sub(KEYS[i], -22), tonumber(ARGV[4 * i + 1])) end
end
for i = 1, count do redis.call('SET', KEYS[i], ARGV[4 * i - 2], 'PX', ARGV[4 * i - 1]) end
`;

/**
 * redeem() of domain/redeem.ts. KEYS[1]: the grant; ARGV: 1 if it counts, else 0; the most
 * requesters to keep; the new cookie; the address or nothing; and any number of cookies.
 *
 * Until a first use the key itself ends when nobody is admitted any more. Then it has to live for
 * those who go on, and the record keeps that time.
 */
export const REDEEM = `${NOW}
local record = redis.call('GET', KEYS[1])
if not record then return false end
local grant = cjson.decode(record)
if not grant.o then return false end
local known = grant.q or {}
local admitted = grant.a or now + redis.call('PTTL', KEYS[1])
local admits = now < admitted
local cookies = {}
for i = 5, #ARGV do cookies[ARGV[i]] = true end
local address = ARGV[4] ~= '' and not grant.b and ARGV[4]
for _, requester in ipairs(known) do
  if cookies[requester[2]] or (address and requester[3] == address) then
    if admits or now < requester[1] + grant.o * 1000 then return 'known' end
  end
end
if not admits or (grant.n and #known >= grant.n) then return false end
if ARGV[1] == '0' then return 'new' end
known[#known + 1] = {now, ARGV[3], ARGV[4] ~= '' and ARGV[4] or nil}
if #known > tonumber(ARGV[2]) then table.remove(known, 1) end
grant.q = known
grant.a = admitted
local left = math.max(admitted - now, grant.o * 1000)
if grant.y then
  redis.call('SET', KEYS[1], cjson.encode(grant), 'KEEPTTL')
else
  redis.call('SET', KEYS[1], cjson.encode(grant), 'PX', left)
end
return 'new'
`;

/**
 * KEYS[1]: a grant that others signed; ARGV: its record, milliseconds until nobody is admitted any
 * more, and until it ends. What is there already stays, be it a revocation.
 */
export const ADOPT = `${NOW}
local grant = cjson.decode(ARGV[1])
grant.a = now + ARGV[2]
redis.call('SET', KEYS[1], cjson.encode(grant), 'NX', 'PX', ARGV[3])
`;

/**
 * KEYS: the grant, and its index if it has one. ARGV[2]: the new end; ARGV[3]: milliseconds until
 * then; ARGV[4]: how long it may stay in the index. The record, or nil if it is gone.
 */
export const PROLONG = `${NOW}${ENTER}${OWN}
if grant.y then return false end
local left = tonumber(ARGV[3])
if KEYS[2] then enter(KEYS[2], string.sub(KEYS[1], -22), tonumber(ARGV[4])) end
grant.x = tonumber(ARGV[2])
if grant.q then
  grant.a = now + left
  left = math.max(left, grant.q[#grant.q][1] + grant.o * 1000 - now)
end
record = cjson.encode(grant)
redis.call('SET', KEYS[1], record, 'PX', left)
return record
`;

/**
 * The subject of the grant that was ended, or nothing; nil if there was none. What others signed has
 * to be remembered as revoked (ARGV[2]): forgotten, it would be good again.
 */
export const REVOKE = `${OWN}
if grant.y then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return ''
end
redis.call('DEL', KEYS[1])
return grant.u or ''
`;

/**
 * KEYS[1]: an index; ARGV: how many, and the score and id to begin after, or nothing. Ids and
 * scores in turn. A mark finds the place, where what stood there may be gone or moved.
 */
export const LIST = `
local first = 0
if ARGV[3] then
  local mark = ARGV[3] .. '~'
  redis.call('ZADD', KEYS[1], ARGV[2], mark)
  first = redis.call('ZRANK', KEYS[1], mark)
  redis.call('ZREM', KEYS[1], mark)
end
return redis.call('ZRANGE', KEYS[1], first, first + ARGV[1] - 1, 'WITHSCORES')
`;

/**
 * Parts what has been issued from what will be. KEYS: an index, and where it goes to be ended.
 * 1 if one is there already, of a revocation that is under way or was broken off.
 */
export const CUT = `
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
return 0
`;
