import { effective } from '../context.ts';
import { wordsOf } from '../directive.ts';
import { type Rule, rule } from '../trap.ts';

/** The proxies whose word for the client's address nginx takes. */
export const realIpRules: Readonly<Record<string, Rule>> = {
  'real-ip': rule({
    why: 'Each client can choose its own address: a token with ip opens for everybody, and a single-use token for more than one client.',
    fix: 'set_real_ip_from 192.0.2.10; with the address of the proxy in front of nginx, one line for each, and no others',
    find: ({ servers, gates }) =>
      [...servers, ...gates]
        .flatMap((context) => effective(context, 'set_real_ip_from'))
        .filter(({ args: [range = ''] }) => isForEverybody(range))
        .map((at) => ({ at, seen: `${wordsOf(at)} for protected files` })),
  }),
};

/** Larger than the network of a CDN, and not a private network (RFC 4193). IPv4 has no private one of this size. */
function isForEverybody(range: string): boolean {
  const [, address = '', bits] = /^(.*)\/(\d+)$/.exec(range) ?? [];
  if (bits === undefined) return false;
  return address.includes(':') ? Number(bits) < 16 && !/^f[cde]/i.test(address) : Number(bits) < 8;
}
