/**
 * How Lua scripts begin: changes that must be atomic and use Redis' own clock. Each script is beside its caller.
 * record.ts has the fields of a record and the names of the keys. A grant's key ends with its token ID in braces.
 *
 * The requesters of a grant are in a separate hash, so that the cost of a use does not depend on their
 * number. `t` is their number, `s<number>` is one of them (start, cookie, address), `c<cookie>` and
 * `a<address>` are its start, and `h` is how many of the oldest were dropped beyond the maximum.
 * `wc<cookie>` and `wa<address>` exist until replicas have acknowledged the use. Until then a failover could lose it,
 * and another requester could take it. `we` is the latest end that a replica may still have, until replicas have
 * acknowledged an earlier one. `d` is what nginx sent, for any grant: see deliveries.ts.
 *
 * cjson cannot write an empty list or a number of more than 14 digits. Records have neither.
 */

/** Begins a script that takes rights away. A Redis without memory must accept it: it needs little memory. */
export const ALLOW_OOM = '#!lua flags=allow-oom';

/** Redis' clock, in milliseconds since the epoch. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS[1]: the grant. */
export const GRANT = `
local record = redis.call('GET', KEYS[1])
if not record then return false end
local grant = cjson.decode(record)
local kept = (grant.D or 0) * 1000
`;

/** A grant may be changed by the client that issued it: ARGV[1]. */
export const OWN = `${GRANT}
if grant.c ~= ARGV[1] then return false end
`;
