import { type Attempt, type Check, holds, isDenial, isNotTheFile, skipped } from '../finding.ts';
import { absent } from '../site.ts';

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
        const to = value === target ? absent(site).target : site.canary.target;
        return { name: spelt, request: { target: to, headers: { [spelt]: value } } };
      }),
    );
    return holds(site, attempts, isDenial);
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
      { name: 'its token', request: { target } },
      { name: 'Host', request: { target, headers: { Host: ELSEWHERE } } },
      { name: 'Postern-Site', request: { target, headers: { 'Postern-Site': ELSEWHERE } } },
      { name: 'X-Forwarded-Host', request: { target, headers: { 'X-Forwarded-Host': ELSEWHERE } } },
    ];
    return holds(site, attempts, isNotTheFile);
  },
};

export const spoofed: readonly Check[] = [headers, host];
