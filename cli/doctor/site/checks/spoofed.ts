import {
  type Attempt,
  answerTo,
  type Check,
  isDenial,
  isNotTheFile,
  runAttempts,
  skipped,
} from '../check.ts';
import type { Request } from '../http.ts';
import { missingFile, withToken } from '../site.ts';

const FIX =
  'proxy_pass_request_headers off; in the location that asks the gate, with a proxy_set_header for each header, as in postern/auth-request.conf';

const headers: Check = {
  id: 'spoofed-headers',
  title: 'headers that only nginx may send to the gate',
  why: 'the gate trusts these headers, and here a client can set them',
  fix: FIX,
  run: async (site) => {
    const { token, target } = await site.issue();
    const inner = site.internal && site.mount ? site.internal + site.mount.rest : '/protected/';
    const claims: Readonly<Record<string, string>> = {
      'X-Original-URI': target,
      'X-Original-URL': target,
      'X-Rewrite-URL': target,
      'X-Forwarded-Uri': target,
      'Postern-Cookie': token,
      'Postern-Target': inner,
      'X-Accel-Redirect': inner,
    };
    const attempts = Object.entries(claims).flatMap(([name, value]) =>
      spellings(name).map((spelt): Attempt => {
        // The canary if the header could open it, another file if the header names the canary.
        const to = value === target ? missingFile(site).target : site.canary.target;
        return { name: spelt, target: to, headers: { [spelt]: value } };
      }),
    );
    return runAttempts(site, attempts, isDenial);
  },
};

function spellings(name: string): readonly string[] {
  return [name, name.toLowerCase(), name.replaceAll('-', '_')];
}

/** A name that no site has (RFC 6761). */
const ELSEWHERE = 'postern-doctor.invalid';

const host: Check = {
  id: 'spoofed-site',
  title: 'a token for another site, with its name as Host',
  why: 'a token for one site opens the files of another',
  fix: 'proxy_set_header Postern-Site $server_name; never $host, which the client chooses',
  run: async (site) => {
    const issued = await site.api.issueIfMay({ path: site.canary.path, site: ELSEWHERE });
    if (!issued) return skipped('the mount belongs to one site');
    const { target } = issued;
    const attempts: Attempt[] = [
      { name: 'its token', target },
      { name: 'Host', target, headers: { Host: ELSEWHERE } },
      { name: 'Postern-Site', target, headers: { 'Postern-Site': ELSEWHERE } },
      { name: 'X-Forwarded-Host', target, headers: { 'X-Forwarded-Host': ELSEWHERE } },
    ];
    return runAttempts(site, attempts, isNotTheFile);
  },
};

const LENGTH = { 'Content-Length': '0' };

/** No server writes anything for these: it rejects a PUT with Content-Range (RFC 9110, section 14.5). */
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

const methods: Check = {
  id: 'methods',
  title: 'methods other than GET and HEAD',
  why: 'the gate allowed a request that is not a download: with such a gate a token could also allow writing',
  fix: 'proxy_set_header X-Original-Method $request_method; as in postern/auth-request.conf',
  run: async (site) => {
    // A file that does not exist.
    const { path, target } = missingFile(site);
    const { token } = await site.issue({ path });
    const before = new Set<string>();
    for (const [name, request] of Object.entries(REQUESTS)) {
      const answer = await answerTo(site, { ...request, target });
      if (typeof answer !== 'string' && OF_THE_SITE.includes(answer.status)) before.add(name);
    }
    const attempts = Object.entries(REQUESTS).map(([name, request]): Attempt => {
      return { name, ...request, target: withToken(target, token) };
    });
    const asked = attempts.filter(({ name }) => !before.has(name));
    if (asked.length === 0) return skipped('the site itself rejects them');
    const finding = await runAttempts(site, asked, isDenial);
    if (finding.verdict !== 'ok' || before.size === 0) return finding;
    return { ...finding, saw: `${finding.saw}; rejected by the site: ${[...before].join(', ')}` };
  },
};

/** Headers and methods that a client chooses. */
export const spoofedChecks: readonly Check[] = [headers, host, methods];
