import { type Check, skipped } from '../finding.ts';
import { type Attempt, holds, isDenial, isNotTheFile } from '../judge.ts';
import { absent } from '../site.ts';

const FIX =
  'proxy_pass_request_headers off; in the location that asks the gate, and each header set by name, as in postern/auth-request.conf';

const headers: Check = {
  id: 'spoofed-headers',
  title: 'headers that nginx alone may send to the gate',
  why: "the gate believes these headers, and here they are the client's",
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
        // The canary where the header alone could open it, another file where it names the canary.
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

/** Of no site that there is (RFC 6761). */
const ELSEWHERE = 'postern-doctor.invalid';

const host: Check = {
  id: 'spoofed-site',
  title: "another site's token, with its name as Host",
  why: "a token of one site opens another's files",
  fix: "proxy_set_header Postern-Site $server_name; never $host, which is the client's word",
  run: async (site) => {
    const issued = await site.api.issueIfMay({ path: site.canary.path, site: ELSEWHERE });
    if (!issued) return skipped('the mount is of one site alone');
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
