/** An IP address as a number; an IPv4 address that is mapped into IPv6 is one of IPv4. */
interface Address {
  readonly version: 4 | 6;
  readonly bits: bigint;
}

const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);
const GROUP = /^[\da-f]{1,4}$/i;

function parseAddress(text: string): Address | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return { version: 4, bits: v4 };
  const v6 = parseV6(text);
  if (v6 === undefined) return undefined;
  return v6 >> 32n === 0xffffn ? { version: 4, bits: v6 & 0xffff_ffffn } : { version: 6, bits: v6 };
}

function parseV4(text: string): bigint | undefined {
  const octets = V4.exec(text)?.slice(1);
  return octets?.reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n);
}

/** RFC 4291, section 2.2, without zones: nginx never writes one. */
function parseV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  // The dotted form stands for the last two groups.
  const last = tail ?? head;
  const v4 = parseV4(last.at(-1) ?? '');
  if (v4 !== undefined) last.splice(-1, 1, (v4 >> 16n).toString(16), (v4 & 0xffffn).toString(16));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...(tail ?? [])];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n);
}

/** Addresses that begin with the same bits. */
interface Range extends Address {
  /** How many bits do not count. */
  readonly free: bigint;
}

/** An address, or a range in CIDR notation (RFC 4632, RFC 4291). */
function parseRange(text: string): Range | undefined {
  const [, start = '', length] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = parseAddress(start);
  if (address === undefined) return undefined;
  const size = start.includes(':') ? 128 : 32;
  const free = size - Number(length ?? size);
  const width = address.version === 4 ? 32 : 128;
  return free >= 0 && free <= width ? { ...address, free: BigInt(free) } : undefined;
}

/** What forbids an entry of a list of addresses, as a phrase for a person; undefined: nothing. */
export function rangeFault(text: string): string | undefined {
  const range = parseRange(text);
  if (range === undefined) {
    return 'must be an IP address or a range such as 192.0.2.0/24 or 2001:db8::/48';
  }
  // Whoever writes 10.1.2.3/8 may have meant the address, or the range.
  return (range.bits >> range.free) << range.free === range.bits
    ? undefined
    : 'must be a range that begins with its first address, such as 10.0.0.0/8';
}

/** Whether an address lies in one of the ranges; none that is not an IP address does. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const own = parseAddress(address);
  if (own === undefined) return false;
  return ranges.some((text) => {
    const range = parseRange(text);
    return (
      range !== undefined &&
      range.version === own.version &&
      range.bits >> range.free === own.bits >> range.free
    );
  });
}

/**
 * By what a requester's address is known again: an IPv4 address itself, of IPv6 the /64 that one
 * subscriber has. Undefined if it is no IP address: nginx says `unix:` of all who come by a socket.
 */
export function networkOf(address: string): string | undefined {
  if (V4.test(address)) return address;
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  const { version, bits } = parsed;
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const groups = [112n, 96n, 80n, 64n].map((shift) => ((bits >> shift) & 0xffffn).toString(16));
  return `${groups.join(':').replace(/(^|:)0(:0)*$/, '')}::/64`;
}
