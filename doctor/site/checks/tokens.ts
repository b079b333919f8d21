import { randomBytes } from 'node:crypto';
import { NO_FOLDER_TOKENS, ok, skipped } from '../attempts.ts';
import type { Request } from '../http.ts';
import { bearer, type Checks, cookie, withToken } from '../tested-site.ts';

const GATE = `location ^~ /download/ { include postern/protect.conf; }, or x-accel.conf, and nothing else in that location`;

/** The last character stays: two values of it can encode the same bytes. */
function tamper(token: string): string {
  const at = token.length - 9;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}

const EXPIRES_IN = 1;
/** Allows for different clocks. */
const GRACE_MS = 4_000;

const SCOPE =
  'include postern/protect.conf and postern/internal.conf, which deliver only what the gate allowed, and send X-Original-URI $request_uri to the gate';

/** Ways from a folder up to its parent. */
const UPWARDS =
  '../ %2e%2e/ %2E./ ..%2f %2e%2e%2f ..\\ ..%5c %252e%252e/ ..%252f %252e%252e%252f %25252e%25252e/ ..;/ ..%00/ %c0%ae%c0%ae/ ./../ /../'.split(
    ' ',
  );

/** Tokens that must not open the file. */
export const tokenChecks: Checks = {
  'no-token': {
    title: 'no token',
    why: 'everybody who knows the URL can download the file',
    fix: GATE,
    run: (site) => {
      const { target } = site.canary;
      const headers = {
        Authorization: `Basic ${Buffer.from('postern:doctor').toString('base64')}`,
      };
      return site.attempt({
        GET: { target },
        HEAD: { method: 'HEAD', target },
        'a range': { target, headers: { Range: 'bytes=0-15' } },
        'an empty token': { target: withToken(target, '') },
        'a password': { target, headers },
      });
    },
  },
  'wrong-token': {
    title: 'a changed or invented token',
    why: 'a client can download the file without a valid token',
    fix: `${GATE}; for a proxy_cache of decisions include postern/cache.conf, whose key contains everything a decision depends on`,
    run: async (site) => {
      const { mount } = site;
      const { target } = site.canary;
      const changed = tamper((await site.issue()).token);
      const invented = `ps_${randomBytes(24).toString('base64url')}`;
      const attempts: Record<string, Request> = {};
      for (const [what, token] of Object.entries({ changed, invented })) {
        attempts[`${what}, query`] = { target: withToken(target, token) };
        attempts[`${what}, header`] = { target, headers: bearer(token) };
        attempts[`${what}, cookie`] = { target, headers: cookie(token) };
        if (!mount) continue;
        attempts[`${what}, path`] = { target: `${mount.prefix}~${token}/${mount.rest}` };
      }
      return site.attempt(attempts);
    },
  },
  'expired-token': {
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
      return site.attempt({ 'after its end': { target } });
    },
  },
  'revoked-token': {
    title: 'a revoked token',
    why: 'a user who lost access to a file can still download it',
    fix: 'proxy_cache_use_stale off; no proxy_cache_valid, so that X-Accel-Expires limits the time, as in postern/cache.conf; with a POSTERN_DECISION_TTL above 10 pass --decision-ttl',
    run: async (site) => {
      const { id, target } = await site.issue();
      await site.ask({ target });
      await site.api.revoke(id);
      const plain = await site.answerTo({ target: site.canary.target });
      // Do not wait if the file is public.
      const isOpen = typeof plain !== 'string' && site.hasCanary(plain);
      const began = Date.now();
      const last = began + (site.decisionTtl + 1.5) * 1_000;
      for (;;) {
        const finding = await site.attempt({ 'after it': { target } });
        const seconds = (Date.now() - began) / 1_000;
        if (finding.verdict === 'ok' && seconds > 1) {
          return ok(`${finding.saw}, ${seconds.toFixed(1)} s later: nginx caches decisions`);
        }
        if (finding.verdict !== 'failed' || isOpen || Date.now() > last) return finding;
        site.say('waiting for a revocation to take effect');
        await site.pause(250);
      }
    },
  },
  'other-path': {
    title: 'a token for another file',
    why: 'a token for one file opens other files',
    fix: SCOPE,
    run: async (site) => {
      const { target } = site.canary;
      const there = site.missingFile();
      const forOther = (await site.issue({ path: there.path })).token;
      const forCanary = await site.issue();
      // First a correct request: a cache may store its response for another path.
      await site.ask({ target: forCanary.target });
      return site.attempt({
        'on the canary': { target: withToken(target, forOther) },
        'on it, header': { target, headers: bearer(forOther) },
        "the canary's on another": { target: withToken(there.target, forCanary.token) },
        'on its name with more': { target: withToken(`${target}x`, forCanary.token) },
      });
    },
  },
  traversal: {
    title: 'traversal: plain, encoded, encoded twice',
    why: "a token for one folder opens other folders: a server resolves '..' after the decision",
    fix: 'do not decode the path after the gate: use alias, or proxy_pass without $uri; keep merge_slashes and normalisation at their defaults',
    run: async (site) => {
      const { mount, mark, canary } = site;
      if (!mount) return skipped(NO_FOLDER_TOKENS);
      const folder = canary.path.slice(0, canary.path.lastIndexOf('/') + 1) + mark;
      const { token } = await site.issue({ prefix: `${folder}/` });
      const cut = mount.rest.lastIndexOf('/') + 1;
      const [above, name] = [mount.rest.slice(0, cut), mount.rest.slice(cut)];
      const attempts: Record<string, Request> = {};
      for (const up of UPWARDS) {
        const below = `${above}${mark}/${up}${name}`;
        attempts[up] = { target: `${mount.prefix}~${token}/${below}` };
        attempts[`${up} ?token`] = { target: withToken(mount.prefix + below, token) };
      }
      return site.attempt(attempts, site.isNotTheFile);
    },
  },
};
