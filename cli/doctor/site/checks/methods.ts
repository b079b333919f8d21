import { type Attempt, answerTo, type Check, holds, isDenial, skipped } from '../finding.ts';
import type { Request } from '../raw-http.ts';
import { absent, withToken } from '../site.ts';

const LENGTH = { 'Content-Length': '0' };

/** Such that a server which would write does not: RFC 9110, section 14.5, has it refuse a PUT of a part. */
const REQUESTS: Readonly<Record<string, Omit<Request, 'target'>>> = {
  POST: { method: 'POST', headers: LENGTH },
  'POST as GET': {
    method: 'POST',
    headers: { ...LENGTH, 'X-Original-Method': 'GET', 'X-HTTP-Method-Override': 'GET' },
  },
  PUT: { method: 'PUT', headers: { ...LENGTH, 'Content-Range': 'bytes 0-0/1' } },
  DELETE: { method: 'DELETE' },
  PATCH: { method: 'PATCH', headers: LENGTH },
  PROPFIND: { method: 'PROPFIND', headers: LENGTH },
};

/** Responses of a site that allows only GET, for any URL. */
const OF_THE_SITE = [405, 501];

export const methods: Check = {
  id: 'methods',
  title: 'methods other than GET and HEAD',
  why: 'the gate allowed a request that is not a download: with such a gate a token could also allow writing',
  fix: 'proxy_set_header X-Original-Method $request_method; as in postern/auth-request.conf',
  run: async (site) => {
    // A file that is not there.
    const { path, target } = absent(site);
    const { token } = await site.issue({ path });
    const before = new Set<string>();
    for (const [name, request] of Object.entries(REQUESTS)) {
      const answer = await answerTo(site, { ...request, target });
      if (typeof answer !== 'string' && OF_THE_SITE.includes(answer.status)) before.add(name);
    }
    const attempts = Object.entries(REQUESTS).map(([name, request]): Attempt => {
      return { name, request: { ...request, target: withToken(target, token) } };
    });
    const asked = attempts.filter(({ name }) => !before.has(name));
    if (asked.length === 0) return skipped('the site itself rejects them');
    const finding = await holds(site, asked, isDenial);
    if (finding.verdict !== 'ok' || before.size === 0) return finding;
    return { ...finding, saw: `${finding.saw}; rejected by the site: ${[...before].join(', ')}` };
  },
};
