import { type CheckResult, failed, ok, skipped, untested } from '../attempts.ts';
import { CLOSED, headerOf, type Request, type SiteResponse } from '../http.ts';
import {
  bearer,
  type Checks,
  cookie,
  EXPIRES_IN,
  NOBODY,
  type TestedSite,
  withToken,
} from '../tested-site.ts';

const LOCKED = {
  why: 'a cached denial, or a missing header, denies access to clients with a valid token',
  fix: 'proxy_set_header Authorization $http_authorization; and no proxy_cache_valid for 401 and 403',
};

/** Files that a cache in front gives to another client. It is the cause of all that other checks then find. */
export const frontChecks: Checks = {
  'cached-delivery': {
    title: 'a file stored by a cache in front of the gate',
    why: 'after one client has downloaded the file, every client can',
    fix: 'proxy_no_cache 1; proxy_cache_bypass 1; or proxy_cache off; for /download/ in the cache or proxy in front of this nginx',
    run: async (site) => {
      const { target } = await site.issue();
      const plain = site.canary.target;
      // No cache has the response for this name.
      const denial = await site.ask({ target: site.missingFile().target });
      if (site.isUnknown(denial)) return untested(site.describe(denial));
      if (!site.isGateDenial(denial)) return skipped('the gate does not answer: see no-token');
      await site.ask({ target });
      const second = await site.ask({ target });
      if (!site.hasCanary(second)) return untested(site.describe(second));
      for (const name of ['x-cache', 'x-cache-status', 'cf-cache-status', 'age']) {
        const value = headerOf(second, name) ?? '';
        if (/hit/i.test(value) || Number(value) > 0) return failed(`${name}: ${value}`);
      }
      const finding = await site.attempt({
        'the same without its token': { target: plain },
        'with an empty one': { target: withToken(plain, '') },
        'with its own query': { target: `${plain}?${site.mark}` },
      });
      return finding.verdict === 'ok' ? ok(`${second.status}, then ${finding.saw}`) : finding;
    },
  },
};

/** Decisions that a cache gives to another client. */
export const cacheChecks: Checks = {
  'decision-cache': {
    title: 'the decision for one token, used for another',
    why: 'a cache sends the decision for one user to another',
    fix: 'proxy_cache off; in the location that asks the gate, or include postern/cache.conf, whose key contains everything a decision depends on',
    run: async (site) => {
      const { target } = site.canary;
      const good = (await site.issue()).token;
      const other = (await site.issue({ path: site.missingFile().path })).token;
      const foreign = (await site.issue({ ip: [NOBODY] })).token;
      const first = await site.ask({ target, headers: bearer(good) });
      if (site.isDenial(first)) {
        return failed(`${first.status} for a valid token in a header`, LOCKED);
      }
      if (!site.hasCanary(first)) return untested(site.describe(first));
      await site.ask({ target, headers: cookie(good) });
      const finding = await site.attempt({
        "another file's, header": { target, headers: bearer(other) },
        "another file's, cookie": { target, headers: cookie(other) },
        "another address's, header": { target, headers: bearer(foreign) },
        "another address's, cookie": { target, headers: cookie(foreign) },
        none: { target },
      });
      if (finding.verdict !== 'ok') return finding;
      // The reverse: a cached denial would deny access to everyone.
      const again = await site.ask({ target, headers: bearer(good) });
      if (site.hasCanary(again)) return finding;
      return failed(`${again.status} for a valid token after denials`, LOCKED);
    },
  },
  'counted-reuse': {
    title: 'a single-use token, used twice',
    why: 'a cached decision makes a single-use link work for everybody',
    fix: 'remove proxy_ignore_headers X-Accel-Expires; from the location that asks the gate: the header is 0 for tokens with max_uses',
    run: async (site) => {
      const { target } = await site.issue({ max_uses: 1, bind: 'cookie' });
      const first = await site.ask({ target });
      if (!site.hasCanary(first)) return untested(site.describe(first));
      const cookies = first.headers.filter(([name]) => name === 'set-cookie');
      if (!cookies.some(([, value]) => value.startsWith('postern_resume='))) {
        return failed('no Set-Cookie with the first use', {
          why: 'a client cannot resume a single-use download that it started',
          fix: 'both Set-Cookie lines of postern/file.conf in the internal location',
        });
      }
      return site.attempt({ 'by another client': { target } });
    },
  },
};

/** Requests the canary with a valid token, and checks each response, until one is wrong. */
async function deliveries(site: TestedSite, cases: readonly Delivery[]): Promise<CheckResult> {
  const seen: number[] = [];
  for (const [request, wrong] of cases) {
    const { target } = await site.issue();
    const answer = await site.ask({ ...request, target });
    if (site.isUnknown(answer)) return untested(site.describe(answer));
    const what = wrong(answer, site.canary.body);
    if (what) return failed(what);
    seen.push(answer.status);
  }
  return ok(seen.join(', '));
}

/** A request, and what is wrong with its response. */
type Delivery = readonly [
  request: Omit<Request, 'target'>,
  wrong: (answer: SiteResponse, whole: Buffer) => string | false,
];

function range(value: string): Omit<Request, 'target'> {
  return { headers: { Range: value } };
}

const PARTS = 'bytes=0-3,8-11';

function single(value: string, from: number, to?: number): Delivery {
  return [
    range(value),
    ({ status, body }, whole) => {
      if (status !== 206) return `${status} for ${value}`;
      return !body.equals(whole.subarray(from, to)) && `206 with other bytes for ${value}`;
    },
  ];
}

/** With these values browsers do not send the query, and the token in it, to other sites. */
const KEEPS_QUERY =
  /^(no-referrer|same-origin|origin|strict-origin|origin-when-cross-origin|strict-origin-when-cross-origin)$/i;

/** Types that a browser does not execute, or shows in a viewer that does not work in a sandbox. */
const HARMLESS = /^(video|audio|image(?!\/svg))\/|^application\/pdf\b/i;

const SANDBOX = 'Content-Security-Policy: sandbox';

function* missing(answer: SiteResponse): Generator<string> {
  const cache = (headerOf(answer, 'cache-control') ?? '').toLowerCase();
  // A mount with `max_age` lets browsers keep files, but for less time than the token is valid.
  const maxAge = Number(/\bmax-age=(\d+)$/.exec(cache)?.[1] ?? Number.POSITIVE_INFINITY);
  const isShort = /\bno-store\b/.test(cache) || maxAge < EXPIRES_IN;
  if (!/\bprivate\b/.test(cache) || !isShort) {
    yield `Cache-Control: ${cache || 'none'}, not private, no-store`;
  }
  if (headerOf(answer, 'x-content-type-options')?.toLowerCase() !== 'nosniff') {
    yield 'no X-Content-Type-Options: nosniff';
  }
  const referrer = headerOf(answer, 'referrer-policy') ?? '';
  if (!KEEPS_QUERY.test(referrer)) yield `Referrer-Policy: ${referrer || 'none'}`;
  const type = headerOf(answer, 'content-type') ?? '';
  const policy = headerOf(answer, 'content-security-policy') ?? '';
  if (!HARMLESS.test(type) && !/\bsandbox\b/.test(policy)) {
    yield `${type || 'no type'} without ${SANDBOX}`;
  }
}

function* twice({ headers: all }: SiteResponse): Generator<string> {
  for (const name of ['cache-control', 'content-type', 'content-disposition', 'accept-ranges']) {
    if (all.filter(([own]) => own === name).length > 1) yield `${name} twice`;
  }
}

const INNER_NAME = /^(postern|x-accel)-/;
const INNER = { 'X-Original-Method': 'GET' };

/** What a client with a valid token receives. */
export const deliveryChecks: Checks = {
  ranges: {
    title: 'ranges, HEAD, and no compression',
    why: 'an interrupted download starts again from the beginning, players cannot seek, or download managers fail',
    fix: 'remove max_ranges 0;, limit_except, proxy_method, and everything that changes the body (gzip, sub_filter, ssi, addition), from the internal location',
    run: (site) =>
      deliveries(site, [
        single('bytes=1-16', 1, 17),
        single('bytes=-16', -16),
        // A server may send only one of the parts, or the whole file (RFC 9110, section 14.2).
        [range(PARTS), ({ status }) => status >= 300 && `${status} for ${PARTS}`],
        [
          range('bytes=999999999-'),
          ({ status }) => status !== 416 && `${status} for a range past the end, not 416`,
        ],
        [
          { headers: { 'Accept-Encoding': 'gzip' } },
          (answer) => {
            const encoding = headerOf(answer, 'content-encoding');
            return encoding !== undefined && `Content-Encoding: ${encoding}`;
          },
        ],
        [
          { method: 'HEAD' },
          (answer, whole) => {
            if (answer.status !== 200) return `${answer.status} for HEAD`;
            const length = headerOf(answer, 'content-length');
            return length !== String(whole.length) && `Content-Length: ${length ?? 'none'}`;
          },
        ],
      ]),
  },
  'delivery-headers': {
    title: 'headers of a delivered file',
    why: 'a cache stores the file for other clients, a link in it sends the token to another site, or an uploaded page runs scripts as your site',
    fix: 'include postern/internal.conf; in the internal location',
    run: async (site) => {
      const { target } = await site.issue();
      const answer = await site.ask({ target });
      if (answer.status !== 200) return untested(String(answer.status));
      const problems = [...missing(answer), ...twice(answer)];
      return problems.length > 0 ? failed(problems.join('; ')) : ok('all present, each once');
    },
  },
  'inner-headers': {
    title: 'headers between nginx and the gate',
    why: 'clients see the internal prefix, or the subject of a token',
    fix: 'internal; in the location that asks the gate, and proxy_hide_header as in postern/x-accel.conf',
    run: async (site) => {
      const { token, target } = await site.issue();
      const requests = {
        'a download': { target },
        'a denial': { target: site.canary.target },
        'a denial of a token': { target: withToken(site.missingFile().target, token) },
        '/.postern/auth-request': { target: '/.postern/auth-request', headers: INNER },
        '/auth-request': {
          target: '/auth-request',
          headers: { ...INNER, 'X-Original-URI': target },
        },
      };
      const problems: string[] = [];
      for (const [name, request] of Object.entries(requests)) {
        const answer = await site.answerTo(request);
        if (answer === CLOSED) continue;
        if (typeof answer === 'string') return untested(`${name}: ${answer}`);
        const names = answer.headers.map(([own]) => own).filter((own) => INNER_NAME.test(own));
        if (names.length > 0) problems.push(`${name}: ${names.join(', ')}`);
      }
      return problems.length > 0 ? failed(problems.join('; ')) : ok('none of them');
    },
  },
};
