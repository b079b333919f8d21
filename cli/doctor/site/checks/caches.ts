import {
  type Attempt,
  type Check,
  describe,
  fault,
  hasCanary,
  isDenial,
  ok,
  runAttempts,
  untested,
} from '../check.ts';
import { headerOf } from '../http.ts';
import { bearer, missingFile, withToken } from '../site.ts';

const reuse: Check = {
  id: 'decision-cache',
  title: 'the decision for one token, used for another',
  why: 'a cache sends the decision for one user to another',
  fix: 'proxy_cache off; in the location that asks the gate, or include postern/cache.conf, whose key contains everything a decision depends on',
  run: async (site) => {
    const { target } = site.canary;
    const good = (await site.issue()).token;
    const other = (await site.issue({ path: missingFile(site).path })).token;
    const foreign = (await site.issue({ ip: [NOBODY] })).token;
    const first = await site.ask({ target, headers: bearer(good) });
    if (isDenial(first, site)) {
      return fault(`${first.status} for a valid token in a header`, LOCKED);
    }
    if (!hasCanary(first, site)) return untested(describe(first, site));
    const cookie = (token: string) => ({ Cookie: `postern=${token}` });
    await site.ask({ target, headers: cookie(good) });
    const attempts: Attempt[] = [
      { name: "another file's, header", target, headers: bearer(other) },
      { name: "another file's, cookie", target, headers: cookie(other) },
      { name: "another address's, header", target, headers: bearer(foreign) },
      { name: "another address's, cookie", target, headers: cookie(foreign) },
      { name: 'none', target },
    ];
    const finding = await runAttempts(site, attempts, isDenial);
    if (finding.verdict !== 'ok') return finding;
    // The reverse: a cached denial would deny access to everyone.
    const again = await site.ask({ target, headers: bearer(good) });
    if (hasCanary(again, site)) return finding;
    return fault(`${again.status} for a valid token after denials`, LOCKED);
  },
};

const LOCKED = {
  why: 'a cached denial, or a missing header, denies access to clients with a valid token',
  fix: 'proxy_set_header Authorization $http_authorization; and no proxy_cache_valid for 401 and 403',
};

/** An address that no client has (RFC 5737). */
export const NOBODY = '192.0.2.1';

const counted: Check = {
  id: 'counted-reuse',
  title: 'a single-use token, used twice',
  why: 'a cached decision makes a single-use link work for everybody',
  fix: 'remove proxy_ignore_headers X-Accel-Expires; from the location that asks the gate: the header is 0 for tokens with max_uses',
  run: async (site) => {
    const { target } = await site.issue({ max_uses: 1, bind: 'cookie' });
    const first = await site.ask({ target });
    if (!hasCanary(first, site)) return untested(describe(first, site));
    const cookies = first.headers.filter(([name]) => name === 'set-cookie');
    if (!cookies.some(([, value]) => value.startsWith('postern_resume='))) {
      return fault('no Set-Cookie with the first use', {
        why: 'a client cannot resume a single-use download that it started',
        fix: 'both Set-Cookie lines of postern/headers.conf in the internal location',
      });
    }
    return runAttempts(site, [{ name: 'by another client', target }], isDenial);
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
    await site.ask({ target });
    const second = await site.ask({ target });
    if (!hasCanary(second, site)) return untested(describe(second, site));
    for (const name of ['x-cache', 'x-cache-status', 'cf-cache-status', 'age']) {
      const value = headerOf(second, name) ?? '';
      if (/hit/i.test(value) || Number(value) > 0) return fault(`${name}: ${value}`);
    }
    const attempts: Attempt[] = [
      { name: 'the same without its token', target: plain },
      { name: 'with an empty one', target: withToken(plain, '') },
      { name: 'with its own query', target: `${plain}?${site.mark}` },
    ];
    const finding = await runAttempts(site, attempts, isDenial);
    return finding.verdict === 'ok' ? ok(`${second.status}, then ${finding.saw}`) : finding;
  },
};

export const cacheChecks: readonly Check[] = [reuse, counted, kept];
