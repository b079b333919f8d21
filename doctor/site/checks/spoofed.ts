import { isWithin, networkOf } from '../../../service/address.ts';
import { failed, ok, skipped, untested } from '../attempts.ts';
import type { Request } from '../http.ts';
import { type Checks, NOBODY, type TestedSite, withToken } from '../tested-site.ts';

const FIX =
  'proxy_pass_request_headers off; in the location that asks the gate, with a proxy_set_header for each header, as in postern/auth-request.conf';

/** A name that no site has (RFC 6761). */
const ELSEWHERE = 'postern-doctor.invalid';

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

/** Headers and methods that a client chooses. */
export const spoofedChecks: Checks = {
  'spoofed-headers': {
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
      const attempts: Record<string, Request> = {};
      for (const [name, value] of Object.entries(claims)) {
        // The canary if the header could open it, another file if the header names the canary.
        const to = value === target ? site.missingFile().target : site.canary.target;
        for (const spelt of [name, name.toLowerCase(), name.replaceAll('-', '_')]) {
          attempts[spelt] = { target: to, headers: { [spelt]: value } };
        }
      }
      return site.attempt(attempts);
    },
  },
  'spoofed-site': {
    title: 'a token for another site, with its name as Host',
    why: 'a token for one site opens the files of another',
    fix: 'proxy_set_header Postern-Site $server_name; never $host, which the client chooses',
    run: async (site) => {
      const issued = await site.api.issueIfMay({ path: site.canary.path, site: ELSEWHERE });
      if (!issued) return skipped('the mount belongs to one site');
      const { target } = issued;
      const attempts = {
        'its token': { target },
        Host: { target, headers: { Host: ELSEWHERE } },
        'Postern-Site': { target, headers: { 'Postern-Site': ELSEWHERE } },
        'X-Forwarded-Host': { target, headers: { 'X-Forwarded-Host': ELSEWHERE } },
      };
      return site.attempt(attempts, site.isNotTheFile);
    },
  },
  methods: {
    title: 'methods other than GET and HEAD',
    why: 'the gate allowed a request that is not a download: with such a gate a token could also allow writing',
    fix: 'proxy_set_header X-Original-Method $request_method; as in postern/auth-request.conf',
    run: async (site) => {
      const { path, target } = site.missingFile();
      const to = withToken(target, (await site.issue({ path })).token);
      const attempts = Object.entries(REQUESTS).map(([name, one]) => [
        name,
        { ...one, target: to },
      ]);
      return site.attempt(
        Object.fromEntries(attempts),
        (answer) => site.isDenial(answer) || OF_THE_SITE.includes(answer.status),
      );
    },
  },
};

const REAL_IP =
  'set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; with the addresses of your load balancers only';

const OTHER_LOOPBACK = '127.0.83.1';

/** Private networks, whose addresses a router can translate. */
const PRIVATE =
  '10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7 fe80::/10'.split(
    ' ',
  );

/** The address that Postern saw, if nginx sends one: Postern records it with a counted use. */
async function seenBy(site: TestedSite, from?: string) {
  const { id, target } = await site.issue({ max_uses: 1 });
  const heard = await site.answerTo({ target, from });
  if (typeof heard === 'string') return heard;
  if (!site.hasCanary(heard)) return site.describe(heard);
  const [requester] = (await site.api.show(id))?.requesters ?? [];
  return requester ? { address: requester.address, heard } : 'Postern has recorded no use';
}

export const addressChecks: Checks = {
  address: {
    title: 'the address that Postern sees',
    why: 'it is the address of a load balancer: all clients behind it count as one requester, and `ip` does not work',
    fix: REAL_IP,
    run: async (site) => {
      let result = await seenBy(site);
      if (typeof result !== 'string' && isWithin(result.heard.localAddress, ['127.0.0.0/8'])) {
        // A load balancer on this machine would have the same address, so use another one.
        const other = await seenBy(site, OTHER_LOOPBACK);
        if (typeof other !== 'string') result = other;
      }
      if (typeof result === 'string') return untested(result);
      const { address, heard } = result;
      const { localAddress: here, remoteAddress: there } = heard;
      if (address === undefined) {
        return failed('none', { fix: 'proxy_set_header X-Real-IP $remote_addr;' });
      }
      if (address === networkOf(here)) return ok(`${here}, the address of this machine`);
      const saw = `Postern sees ${address}, this machine has ${here}`;
      // A router can translate an address of a private network.
      if (isWithin(here, PRIVATE) && !isWithin(address, PRIVATE) && address !== networkOf(there)) {
        return skipped(`${saw}: the first may be the public address of the second`);
      }
      return failed(saw);
    },
  },
  'spoofed-address': {
    title: 'a token for another address, with that address in a header',
    why: 'a client can choose its own address',
    fix: `${REAL_IP}; proxy_set_header X-Real-IP $remote_addr;`,
    run: async (site) => {
      const { target } = await site.issue({ ip: [NOBODY] });
      const names =
        'X-Forwarded-For X-Real-IP X_Real_IP X-Client-IP True-Client-IP CF-Connecting-IP X-Cluster-Client-IP Fastly-Client-IP';
      const attempts: Record<string, Request> = { 'no header': { target } };
      for (const name of names.split(' ')) attempts[name] = { target, headers: { [name]: NOBODY } };
      return site.attempt({
        ...attempts,
        Forwarded: { target, headers: { Forwarded: `for=${NOBODY}` } },
        'X-Forwarded-For, twice': {
          target,
          headers: { 'X-Forwarded-For': `${NOBODY}, ${NOBODY}` },
        },
      });
    },
  },
};
