import { answerTo, type Check, fault, ok, untested } from '../finding.ts';
import { type Answer, headerOf } from '../raw-http.ts';
import { absent, withToken } from '../site.ts';

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
    const answer = await answerTo(site, { target });
    if (typeof answer === 'string' || answer.status !== 200) {
      return untested(typeof answer === 'string' ? answer : String(answer.status));
    }
    const faults = [...missing(answer), ...twice(answer)];
    if (faults.length === 0) return ok('all present, each once');
    const fix = lacksHttpConf(answer, faults) ? HTTP_CONF : undefined;
    return fault(faults.join('; '), { ...(fix !== undefined && { fix }) });
  },
};

const HTTP_CONF =
  'include postern/http.conf; in the http block: it has the policy that postern/headers.conf sends';

/** Only the sandbox is missing, and the others of headers.conf are there. */
function lacksHttpConf(answer: Answer, faults: readonly string[]): boolean {
  const hasPolicy = headerOf(answer, 'content-security-policy') !== undefined;
  return !hasPolicy && faults.length === 1 && faults[0]?.includes(SANDBOX) === true;
}

const SANDBOX = 'Content-Security-Policy: sandbox';

function* missing(answer: Answer): Generator<string> {
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

function* twice({ headers: all }: Answer): Generator<string> {
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
      'a denial of a token': { target: withToken(absent(site).target, token) },
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

export const deliveredHeaders: readonly Check[] = [headers, inner];
