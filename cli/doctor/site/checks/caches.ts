import {
  type Attempt,
  answerTo,
  type Check,
  describe,
  fault,
  hasCanary,
  holds,
  isDenial,
  ok,
  untested,
} from '../finding.ts';
import { headerOf } from '../raw-http.ts';
import { absent, bearer, withToken } from '../site.ts';

const reuse: Check = {
  id: 'decision-cache',
  title: 'the decision for one token, used for another',
  why: 'a cache sends the decision for one user to another',
  fix: 'proxy_cache off; in the location that asks the gate, or include postern/cache.conf, whose key contains everything a decision depends on',
  run: async (site) => {
    const { target } = site.canary;
    const good = (await site.issue()).token;
    const other = (await site.issue({ path: absent(site).path })).token;
    const foreign = (await site.issue({ ip: [NOBODY] })).token;
    const first = await answerTo(site, { target, headers: bearer(good) });
    if (typeof first === 'string') return untested(first);
    if (isDenial(first, site))
      return fault(`${first.status} for a valid token in a header`, LOCKED);
    if (!hasCanary(first, site)) return untested(describe(first, site));
    const cookie = (token: string) => ({ Cookie: `postern=${token}` });
    await answerTo(site, { target, headers: cookie(good) });
    const attempts: Attempt[] = [
      { name: "another file's, header", request: { target, headers: bearer(other) } },
      { name: "another file's, cookie", request: { target, headers: cookie(other) } },
      { name: "another address's, header", request: { target, headers: bearer(foreign) } },
      { name: "another address's, cookie", request: { target, headers: cookie(foreign) } },
      { name: 'none', request: { target } },
    ];
    const finding = await holds(site, attempts, isDenial);
    if (finding.verdict !== 'ok') return finding;
    // And the other way round: a denial that is kept locks everyone out.
    const again = await answerTo(site, { target, headers: bearer(good) });
    if (typeof again !== 'string' && hasCanary(again, site)) return finding;
    if (typeof again === 'string') return untested(again);
    return fault(`${again.status} for a valid token after denials`, LOCKED);
  },
};

const LOCKED = {
  why: 'a cached denial, or a missing header, denies access to clients with a valid token',
  fix: 'proxy_set_header Authorization $http_authorization; and no proxy_cache_valid for 401 and 403',
};

/** Of no network that there is (RFC 5737). */
export const NOBODY = '192.0.2.1';

const counted: Check = {
  id: 'counted-reuse',
  title: 'a single-use token, used twice',
  why: 'a cached decision makes a single-use link work for everybody',
  fix: 'remove proxy_ignore_headers X-Accel-Expires; from the location that asks the gate: the header is 0 for tokens with max_uses',
  run: async (site) => {
    const { target } = await site.issue({ max_uses: 1, bind: 'cookie' });
    const first = await answerTo(site, { target });
    if (typeof first === 'string' || !hasCanary(first, site)) {
      return untested(typeof first === 'string' ? first : describe(first, site));
    }
    if (
      !first.headers.some(
        ([name, value]) => name === 'set-cookie' && value.startsWith('postern_resume='),
      )
    ) {
      return fault('no Set-Cookie with the first use', {
        why: 'a client cannot resume a single-use download that it started',
        fix: 'both Set-Cookie lines of postern/headers.conf in the internal location',
      });
    }
    return holds(site, [{ name: 'by another client', request: { target } }], isDenial);
  },
};

const kept: Check = {
  id: 'cached-delivery',
  title: 'a file stored by a cache in front of the gate',
  why: 'after one client has downloaded the file, every client can',
  fix: 'proxy_no_cache 1; proxy_cache_bypass 1; or proxy_cache off; for /download/ in the cache or proxy in front of this nginx',
  run: async (site) => {
    const { target } = await site.issue();
    const plain = site.canary.target;
    await answerTo(site, { target });
    const second = await answerTo(site, { target });
    if (typeof second === 'string' || !hasCanary(second, site)) {
      return untested(typeof second === 'string' ? second : describe(second, site));
    }
    for (const name of ['x-cache', 'x-cache-status', 'cf-cache-status', 'age']) {
      const value = headerOf(second, name) ?? '';
      if (/hit/i.test(value) || Number(value) > 0) return fault(`${name}: ${value}`);
    }
    const attempts: Attempt[] = [
      { name: 'the same without its token', request: { target: plain } },
      { name: 'with an empty one', request: { target: withToken(plain, '') } },
      { name: 'with a query of its own', request: { target: `${plain}?${site.mark}` } },
    ];
    const finding = await holds(site, attempts, isDenial);
    return finding.verdict === 'ok' ? ok(`${second.status}, then ${finding.saw}`) : finding;
  },
};

export const caches: readonly Check[] = [reuse, counted, kept];
