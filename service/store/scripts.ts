/**
 * What must happen at once, on a grant's own key. KEYS[1]: the grant; ARGV[1]: the client, since
 * none may touch another's grant. Field letters are those of record.ts.
 */

const OWN = `
local record = redis.call('GET', KEYS[1])
if not record then return false end
local grant = cjson.decode(record)
if grant.c ~= ARGV[1] then return false end
`;

/** ARGV[2]: the new end, ARGV[3]: milliseconds until then. The record, or nil if it is gone. */
export const PROLONG = `${OWN}
grant.x = tonumber(ARGV[2])
record = cjson.encode(grant)
redis.call('SET', KEYS[1], record, 'PX', ARGV[3])
return record
`;

/** 1 if the grant was there, else nil. */
export const REVOKE = `${OWN}
return redis.call('DEL', KEYS[1])
`;
