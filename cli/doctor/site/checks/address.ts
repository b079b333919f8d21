import { isWithin, networkOf } from '../../../../service/domain/address.ts';
import {
  type Attempt,
  answerTo,
  type Check,
  describe,
  fault,
  hasCanary,
  isDenial,
  ok,
  runAttempts,
  skipped,
  untested,
} from '../check.ts';
import type { SiteResponse } from '../http.ts';
import type { TestedSite } from '../site.ts';
import { NOBODY } from './caches.ts';

const REAL_IP =
  'set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; with the addresses of your load balancers only';

interface Seen {
  /** Undefined if nginx sends no address. */
  readonly seen: string | undefined;
  readonly heard: SiteResponse;
}

/** The address that Postern saw: it records the address with a counted use. */
async function seenBy(site: TestedSite, from?: string): Promise<Seen | string> {
  const { id, target } = await site.issue({ max_uses: 1 });
  const heard = await answerTo(site, { target, ...(from !== undefined && { from }) });
  if (typeof heard === 'string') return heard;
  if (!hasCanary(heard, site)) return describe(heard, site);
  const [requester] = (await site.api.show(id))?.requesters ?? [];
  return requester ? { seen: requester.address, heard } : 'Postern has recorded no use';
}

const seen: Check = {
  id: 'address',
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
    const { seen: address, heard } = result;
    const { localAddress: here, remoteAddress: there } = heard;
    if (address === undefined)
      return fault('none', { fix: 'proxy_set_header X-Real-IP $remote_addr;' });
    if (address === networkOf(here)) return bound(site, here);
    // A router can translate an address of a private network.
    if (isWithin(here, PRIVATE) && !isWithin(address, PRIVATE) && address !== networkOf(there)) {
      return skipped(
        `Postern sees ${address}, this machine has ${here}: it cannot tell whether that is its public address`,
      );
    }
    return fault(`Postern sees ${address}, this machine has ${here}`);
  },
};

const OTHER_LOOPBACK = '127.0.83.1';

/** A token that is bound to the address opens the file. */
async function bound(site: TestedSite, address: string) {
  const { target } = await site.issue({ ip: [address] });
  const answer = await site.ask({ target, from: address });
  if (!hasCanary(answer, site)) return fault(`${answer.status} for a token bound to ${address}`);
  return ok(`${address}, the address of this machine`);
}

const spoofed: Check = {
  id: 'spoofed-address',
  title: 'a token for another address, with that address in a header',
  why: 'a client can choose its own address',
  fix: `${REAL_IP}; proxy_set_header X-Real-IP $remote_addr;`,
  run: async (site) => {
    const { target } = await site.issue({ ip: [NOBODY] });
    const names =
      'X-Forwarded-For X-Real-IP X_Real_IP X-Client-IP True-Client-IP CF-Connecting-IP X-Cluster-Client-IP Fastly-Client-IP';
    const attempts = names.split(' ').map((name): Attempt => {
      return { name, target, headers: { [name]: NOBODY } };
    });
    const forwarded = { Forwarded: `for=${NOBODY}` };
    const list = { 'X-Forwarded-For': `${NOBODY}, ${NOBODY}` };
    return runAttempts(
      site,
      [
        { name: 'no header', target },
        ...attempts,
        { name: 'Forwarded', target, headers: forwarded },
        { name: 'X-Forwarded-For, twice', target, headers: list },
      ],
      isDenial,
    );
  },
};

/** Private networks, whose addresses a router can translate. */
const PRIVATE = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

export const addressChecks: readonly Check[] = [seen, spoofed];
