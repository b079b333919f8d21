import { type KnownRequester, rememberedUntil } from '../../token/grant.ts';
import { MAX_REQUESTERS } from '../../token/grant-fields.ts';
import { MAX_SHOWN_REQUESTERS, type Store } from '../../token/store.ts';
import { unexpected } from '../connection/failure.ts';
import type { Commands } from './commands.ts';
import { encodeRecord } from './record.ts';
import { GRANT, NOW } from './script-parts.ts';

/**
 * redeem() of token/uses.ts. KEYS: the grant and its requesters; ARGV: 1 to count a use, 2 if it also
 * waits for replicas, else 0; the maximum number of requesters to keep; the new cookie; the address or ''; the time
 * at which the end is judged, or '' for now; then the cookies. If the record has `b`, an address identifies nobody. The
 * new cookie in the reply shows that it is not the reply to another use.
 *
 * Before the first use, the key expires when no new requester is admitted. From then on it lives for
 * requesters that resume, and the record keeps the time of admission (`a`) and that there was a use
 * (`q`): if the requesters are lost, the grant can no longer be used.
 */
const REDEEM = `${NOW}${GRANT}
if not grant.o then return false end
local function reply(redeemed) return redeemed .. ' ' .. ARGV[3] end
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
      return reply(redis.call('HGET', KEYS[2], 'w' .. names[i]) and 'unacknowledged' or 'known')
    end
  end
end
if not admits or (grant.n and total - forgotten >= grant.n) then return false end
if ARGV[1] == '0' then return reply('new') end

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
return reply('new')
`;

/**
 * KEYS: the grant and its requesters; ARGV[1]: the maximum number of attempts to enter the PIN. Returns
 * the number with this one; 0 if none was left, which ends the grant. REDEEM gives an attempt back.
 */
const COUNT_ATTEMPT = `${GRANT}
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
const SAVE_EXTERNAL = `${NOW}
local left = ARGV[3] - now
if left <= 0 then return end
local grant = cjson.decode(ARGV[1])
grant.a = now + ARGV[2]
redis.call('SET', KEYS[1], cjson.encode(grant), 'NX', 'PX', left)
`;

/** Counts the uses of grants, and the attempts to enter their PINs. */
export function createUses(
  commands: Commands,
): Pick<Store, 'saveExternal' | 'redeem' | 'countAttempt' | 'requesters'> {
  const { keys, send, failed, run, replicas, acknowledged, now } = commands;
  return {
    async saveExternal(id, grant) {
      // Negative if that time has passed, so that no requester starts, not even in this millisecond.
      const admitted = grant.expiresAt - now();
      const args = [encodeRecord(id, grant), admitted, rememberedUntil(grant)];
      await run(SAVE_EXTERNAL, [keys.grant(id)], args);
    },

    async redeem(id, { cookies, address = '', newCookie }, count, at) {
      const key = keys.grant(id);
      const counting = replicas ? 2 : 1;
      const args = [count ? counting : 0, MAX_REQUESTERS, newCookie, address, at ?? '', ...cookies];
      const redeem = async () => {
        const reply = await run(REDEEM, [key, keys.uses(id)], args);
        if (reply === null) return undefined;
        const [redeemed, cookie] = String(reply).split(' ');
        // It may be the reply to another use.
        if (cookie !== newCookie) throw failed(unexpected());
        return redeemed;
      };
      const isNeeded = (redeemed?: string) =>
        redeemed === 'unacknowledged' || (redeemed === 'new' && count);
      const redeemed = await acknowledged(key, redeem, isNeeded);
      if (replicas && isNeeded(redeemed)) {
        const marks = [newCookie, ...cookies].map((cookie) => `wc${cookie}`);
        // Nobody waits for it: if it is lost, the next use is acknowledged again.
        const uses = keys.uses(id);
        send(uses, (redis) => redis.hdel(uses, `wa${address}`, ...marks)).catch(() => {});
      }
      if (redeemed === 'unacknowledged') return 'known';
      return redeemed === 'known' || redeemed === 'new' ? redeemed : undefined;
    },

    async countAttempt(id, max, isRight = false) {
      const key = keys.grant(id);
      const count = () => run(COUNT_ATTEMPT, [key, keys.uses(id)], [max]);
      const attempts = await acknowledged(key, count, (counted) => !isRight || counted === 0);
      return typeof attempts === 'number' ? attempts : undefined;
    },

    async requesters(id) {
      const key = keys.uses(id);
      const read = (...names: string[]) => send(key, (redis) => redis.hmget(key, ...names));
      const [count, dropped] = await read('t', 'h');
      const total = Number(count) - Number(dropped);
      if (total === 0) return { total, newest: [] };
      const length = Math.min(total, MAX_SHOWN_REQUESTERS);
      const names = Array.from({ length }, (_, i) => `s${Number(count) - length + 1 + i}`);
      return { total, newest: decodeRequesters(await read(...names)) };
    },
  };
}

/** Decodes the requesters that REDEEM writes. Null: there is none. */
function decodeRequesters(held: ReadonlyArray<string | null>): KnownRequester[] {
  return held.flatMap((text) => {
    if (text === null) return [];
    const [began = '', cookie = '', address = ''] = text.split(' ');
    return { began: Number(began), cookie, ...(address !== '' && { address }) };
  });
}
