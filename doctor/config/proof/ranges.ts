import { parseRange } from '../../../service/address.ts';
import { isForEverybody, LOCAL } from '../addresses.ts';
import type { Http, Location } from '../context.ts';

/** The ranges of addresses on which these server blocks and each `geo` decide, such as `10.0.0.0/8`. */
export function rangesIn(servers: readonly Location[], http: Http): ReadonlySet<string> {
  const lines = servers
    .flatMap((one) => one.nested)
    .flatMap((one) => one.effective('allow', 'deny'))
    .map(({ args: [range = ''] }) => range);
  const geo = http.own('geo').flatMap(({ block = [] }) => block);
  return new Set([...lines, ...geo.map(({ name }) => name)]);
}

/**
 * The addresses of clients that the doctor asks with for a range, and who gets a file that only such a client gets. True:
 * each client can have the address.
 */
export function clientsOf(
  range: string,
  isChosen: boolean,
): ReadonlyArray<readonly [address: string, who: true | string]> {
  const isHere = LOCAL.test(range) || range.startsWith('::1');
  const more = isHere
    ? ', which is also the address of each request that another program on this machine passes on'
    : '';
  return edgesOf(range).map((address, at) => [
    address,
    isForEverybody(range) || isChosen
      ? true
      : `Only ${at === 0 ? range : `an address such as ${address}`} gets it${more}`,
  ]);
}

/**
 * The first address of a range, and the first one after it. What a list of ranges decides changes only at these addresses,
 * so the doctor needs no other ones.
 */
function edgesOf(range: string): readonly string[] {
  if (/^(unix|localhost)/.test(range)) return ['127.0.0.1'];
  const [from = '', to = from] = range.split('-');
  const [start, end] = [parseRange(from), parseRange(to)];
  if (start === undefined || end === undefined) return [];
  const size = start.first.length * 8;
  const [rest, last] = [start, end].map(({ length }) => BigInt(size - length)) as [bigint, bigint];
  const first = (numberOf(start.first) >> rest) << rest;
  const next = ((numberOf(end.first) >> last) + 1n) << last;
  const all = next >> BigInt(size) > 0n ? [first] : [first, next];
  return all.map((one) => textOf(one, size));
}

function numberOf(bytes: readonly number[]): bigint {
  return bytes.reduce((all, byte) => (all << 8n) + BigInt(byte), 0n);
}

function textOf(address: bigint, size: number): string {
  const digits = address.toString(16).padStart(size / 4, '0');
  if (size === 32) return [...Buffer.from(digits, 'hex')].join('.');
  const { hostname } = new URL(`http://[${digits.match(/.{4}/g)?.join(':')}]`);
  return hostname.slice(1, -1);
}
