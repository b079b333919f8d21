import {
  answerTo,
  type Check,
  describe,
  type Finding,
  fault,
  isUnknown,
  ok,
  untested,
} from '../finding.ts';
import { type Heard, headerOf, type Request } from '../raw-http.ts';
import type { Site } from '../site.ts';

/** Makes a request for the canary with a good token, and says what is wrong with the answer. */
async function faultOf(
  site: Site,
  request: Omit<Request, 'target'>,
  wrong: (answer: Heard, whole: Buffer) => string | false,
): Promise<Finding> {
  const { target } = await site.issue();
  const answer = await answerTo(site, { ...request, target });
  if (typeof answer === 'string') return untested(answer);
  if (isUnknown(answer)) return untested(describe(answer, site));
  const what = wrong(answer, site.canary.body);
  return what ? fault(what) : ok(String(answer.status));
}

/** The first that is not ok, or the last. */
async function all(findings: readonly (() => Promise<Finding>)[]): Promise<Finding> {
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
      // A server may answer it with less, or with all of it (RFC 9110, section 14.2).
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
    const encoded = (answer: Heard) => {
      const encoding = headerOf(answer, 'content-encoding');
      return encoding !== undefined && `Content-Encoding: ${encoding}`;
    };
    const finding = await all([
      () => faultOf(site, { headers: accept }, encoded),
      () => faultOf(site, { headers: { ...accept, Range: 'bytes=1-16' } }, encoded),
    ]);
    const { length } = site.canary.body;
    // gzip_min_length is often 1000 or so.
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

export const delivery: readonly Check[] = [ranges, gzip, head];
