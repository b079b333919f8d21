import {
  answerTo,
  type Check,
  type CheckResult,
  describe,
  fault,
  isUnknown,
  ok,
  untested,
} from '../check.ts';
import { headerOf, type Request, type SiteResponse } from '../http.ts';
import { missingFile, type TestedSite, withToken } from '../site.ts';

/** Requests the canary with a valid token, and checks the response. */
async function faultOf(
  site: TestedSite,
  request: Omit<Request, 'target'>,
  wrong: (answer: SiteResponse, whole: Buffer) => string | false,
): Promise<CheckResult> {
  const { target } = await site.issue();
  const answer = await site.ask({ ...request, target });
  if (isUnknown(answer)) return untested(describe(answer, site));
  const what = wrong(answer, site.canary.body);
  return what ? fault(what) : ok(String(answer.status));
}

/** The first result that is not ok, or all of them. */
async function all(findings: readonly (() => Promise<CheckResult>)[]): Promise<CheckResult> {
  const seen: string[] = [];
  for (const find of findings) {
    const finding = await find();
    if (finding.verdict !== 'ok') return finding;
    seen.push(finding.saw);
  }
  return ok(seen.join(', '));
}

const PARTS = 'bytes=0-3,8-11';

const ranges: Check = {
  id: 'ranges',
  title: 'ranges: one, the last bytes, two, none',
  why: 'an interrupted download starts again from the beginning, and players cannot seek',
  fix: 'remove max_ranges 0;, and everything that changes the body (gzip, sub_filter, ssi, addition), from the internal location',
  run: (site) => {
    const range = (value: string) => ({ headers: { Range: value } });
    const single = (value: string, from: number, to?: number) => () =>
      faultOf(site, range(value), ({ status, body }, whole) => {
        if (status !== 206) return `${status} for ${value}`;
        return !body.equals(whole.subarray(from, to)) && `206 with other bytes for ${value}`;
      });
    return all([
      single('bytes=1-16', 1, 17),
      single('bytes=-16', -16),
      // A server may send only one of the parts, or the whole file (RFC 9110, section 14.2).
      () => faultOf(site, range(PARTS), ({ status }) => status >= 300 && `${status} for ${PARTS}`),
      () =>
        faultOf(site, range('bytes=999999999-'), ({ status }) => {
          return status !== 416 && `${status} for a range past the end, not 416`;
        }),
    ]);
  },
};

const gzip: Check = {
  id: 'gzip',
  title: 'gzip and ranges',
  why: 'a compressed response has no ranges: an interrupted download starts again from the beginning',
  fix: 'gzip off; in the internal location, as in postern/internal.conf',
  run: async (site) => {
    const accept = { 'Accept-Encoding': 'gzip' };
    const encoded = (answer: SiteResponse) => {
      const encoding = headerOf(answer, 'content-encoding');
      return encoding !== undefined && `Content-Encoding: ${encoding}`;
    };
    const finding = await all([
      () => faultOf(site, { headers: accept }, encoded),
      () => faultOf(site, { headers: { ...accept, Range: 'bytes=1-16' } }, encoded),
    ]);
    const { length } = site.canary.body;
    // gzip_min_length is often about 1000.
    if (finding.verdict !== 'ok' || length >= 1024) return finding;
    return ok(`${finding.saw}; the canary has only ${length} bytes and may be too short for gzip`);
  },
};

const head: Check = {
  id: 'head',
  title: 'HEAD',
  why: 'download managers send HEAD first and fail',
  fix: 'remove limit_except and proxy_method from the internal location',
  run: (site) =>
    faultOf(site, { method: 'HEAD' }, (answer, whole) => {
      if (answer.status !== 200) return `${answer.status} for a valid token`;
      const length = headerOf(answer, 'content-length');
      return length !== String(whole.length) && `Content-Length: ${length ?? 'none'}`;
    }),
};

/** With these values browsers do not send the query, and the token in it, to other sites. */
const KEEPS_QUERY =
  /^(no-referrer|same-origin|origin|strict-origin|origin-when-cross-origin|strict-origin-when-cross-origin)$/i;

/** Types that a browser does not execute, or shows in a viewer that does not work in a sandbox. */
const HARMLESS = /^(video|audio|image(?!\/svg))\/|^application\/pdf\b/i;

const headers: Check = {
  id: 'delivery-headers',
  title: 'headers of a delivered file',
  why: 'a cache stores the file for other clients, a link in it sends the token to another site, or an uploaded page runs scripts as your site',
  fix: 'include postern/headers.conf; in the internal location',
  run: async (site) => {
    const { target } = await site.issue();
    const answer = await site.ask({ target });
    if (answer.status !== 200) return untested(String(answer.status));
    const faults = [...missing(answer), ...twice(answer)];
    if (faults.length === 0) return ok('all present, each once');
    return fault(faults.join('; '), lacksHttpConf(answer, faults) ? { fix: HTTP_CONF } : {});
  },
};

const HTTP_CONF =
  'include postern/http.conf; in the http block: it has the policy that postern/headers.conf sends';

/** Only the sandbox is missing: headers.conf is included, http.conf is not. */
function lacksHttpConf(answer: SiteResponse, faults: readonly string[]): boolean {
  const hasPolicy = headerOf(answer, 'content-security-policy') !== undefined;
  return !hasPolicy && faults.length === 1 && faults[0]?.includes(SANDBOX) === true;
}

const SANDBOX = 'Content-Security-Policy: sandbox';

function* missing(answer: SiteResponse): Generator<string> {
  const cache = (headerOf(answer, 'cache-control') ?? '').toLowerCase();
  if (!/\bno-store\b/.test(cache) || !/\bprivate\b/.test(cache)) {
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

const inner: Check = {
  id: 'inner-headers',
  title: 'headers between nginx and the gate',
  why: 'clients see the internal prefix, or the subject of a token',
  fix: 'internal; in the location that asks the gate, and proxy_hide_header as in postern/x-accel.conf',
  run: async (site) => {
    const { token, target } = await site.issue();
    const requests = {
      'a download': { target },
      'a denial': { target: site.canary.target },
      'a denial of a token': { target: withToken(missingFile(site).target, token) },
      '/.postern/auth-request': { target: '/.postern/auth-request', headers: INNER },
      '/auth-request': { target: '/auth-request', headers: { ...INNER, 'X-Original-URI': target } },
    };
    const faults: string[] = [];
    for (const [name, request] of Object.entries(requests)) {
      const answer = await answerTo(site, request);
      if (typeof answer === 'string') return untested(`${name}: ${answer}`);
      const names = answer.headers.map(([own]) => own).filter((own) => INNER_NAME.test(own));
      if (names.length > 0) faults.push(`${name}: ${names.join(', ')}`);
    }
    return faults.length > 0 ? fault(faults.join('; ')) : ok('none of them');
  },
};

const INNER_NAME = /^(postern|x-accel)-/;
const INNER = { 'X-Original-Method': 'GET' };

/** What a client with a valid token receives. */
export const deliveryChecks: readonly Check[] = [ranges, gzip, head, headers, inner];
