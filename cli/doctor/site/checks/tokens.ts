import { randomBytes } from 'node:crypto';
import {
  type Attempt,
  answerTo,
  type Check,
  hasCanary,
  isDenial,
  ok,
  runAttempts,
} from '../check.ts';
import { bearer, type TestedSite, withToken } from '../site.ts';

const GATE = `location ^~ /download/ { include postern/protect.conf; }, or x-accel.conf, and nothing else in that location`;

const none: Check = {
  id: 'no-token',
  title: 'no token',
  why: 'everybody who knows the URL can download the file',
  fix: GATE,
  run: (site) => {
    const { target } = site.canary;
    const headers = { Authorization: `Basic ${Buffer.from('postern:doctor').toString('base64')}` };
    const attempts: Attempt[] = [
      { name: 'GET', target },
      { name: 'HEAD', method: 'HEAD', target },
      { name: 'a range', target, headers: { Range: 'bytes=0-15' } },
      { name: 'an empty token', target: withToken(target, '') },
      { name: 'a password', target, headers },
    ];
    return runAttempts(site, attempts, isDenial);
  },
};

const wrong: Check = {
  id: 'wrong-token',
  title: 'a changed or invented token',
  why: 'a client can download the file without a valid token',
  fix: `${GATE}; for a proxy_cache of decisions include postern/cache.conf, whose key contains everything a decision depends on`,
  run: async (site) => {
    const { token } = await site.issue();
    const madeUp = `ps_${randomBytes(24).toString('base64url')}`;
    const tokens = { changed: tamper(token), invented: madeUp };
    const attempts = Object.entries(tokens).flatMap(([what, one]) => everywhere(site, what, one));
    return runAttempts(site, attempts, isDenial);
  },
};

/** A token in each place where a request can contain one. */
function everywhere(
  { canary: { target }, mount }: TestedSite,
  what: string,
  token: string,
): Attempt[] {
  const cookie = { Cookie: `postern=${token}` };
  return [
    { name: `${what}, query`, target: withToken(target, token) },
    { name: `${what}, header`, target, headers: bearer(token) },
    { name: `${what}, cookie`, target, headers: cookie },
    ...(mount ? [{ name: `${what}, path`, target: `${mount.prefix}~${token}/${mount.rest}` }] : []),
  ];
}

/** Not the last character: two values of it can encode the same bytes. */
function tamper(token: string): string {
  const at = token.length - 9;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}

const EXPIRES_IN = 1;
/** Allows for different clocks. */
const GRACE_MS = 4_000;

const expired: Check = {
  id: 'expired-token',
  title: 'an expired token',
  why: 'a link that was passed on works indefinitely',
  fix: 'proxy_cache_use_stale off; and a cache key that contains the whole $request_uri, as in postern/cache.conf',
  run: async (site) => {
    const { id, target } = await site.issue({ expires_in: EXPIRES_IN });
    await site.ask({ target });
    const last = Date.now() + EXPIRES_IN * 1_000 + GRACE_MS;
    while ((await site.api.show(id)) !== undefined && Date.now() < last) {
      site.say('waiting for a token to expire');
      await site.pause(200);
    }
    return runAttempts(site, [{ name: 'after its end', target }], isDenial);
  },
};

const revoked: Check = {
  id: 'revoked-token',
  title: 'a revoked token',
  why: 'a user who lost access to a file can still download it',
  fix: 'proxy_cache_use_stale off; no proxy_cache_valid, so that X-Accel-Expires limits the time, as in postern/cache.conf; with a POSTERN_DECISION_TTL above 10 pass --decision-ttl',
  run: async (site) => {
    const { id, target } = await site.issue();
    await site.ask({ target });
    await site.api.revoke(id);
    const plain = await answerTo(site, { target: site.canary.target });
    // Do not wait if the file is public.
    const isOpen = typeof plain !== 'string' && hasCanary(plain, site);
    const began = Date.now();
    const last = began + (site.decisionTtl + 1.5) * 1_000;
    const attempt = [{ name: 'after it', target }];
    for (;;) {
      const finding = await runAttempts(site, attempt, isDenial);
      const seconds = (Date.now() - began) / 1_000;
      if (finding.verdict === 'ok' && seconds > 1) {
        return ok(`${finding.saw}, ${seconds.toFixed(1)} s later: nginx caches decisions`);
      }
      if (finding.verdict !== 'fault' || isOpen || Date.now() > last) return finding;
      site.say('waiting for a revocation to take effect');
      await site.pause(250);
    }
  },
};

export const tokenChecks: readonly Check[] = [none, wrong, expired, revoked];
