/** An IP address as bytes: 4 of IPv4, 16 of IPv6. One of IPv4 that is mapped into IPv6 is of IPv4. */
type Address = readonly number[];

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const GROUP = /^[\da-f]{1,4}$/i;

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? unmapped(parseV6(text)) : parseV4(text);
}

function parseV4(text: string): Address | undefined {
  const octets = V4.exec(text)?.slice(1);
  // 010 is eight to some and ten to others.
  const legal = octets?.every(
    (octet) => Number(octet) < 256 && (octet === '0' || octet[0] !== '0'),
  );
  return legal ? octets?.map(Number) : undefined;
}

/** RFC 4291, section 2.2, without zones: nginx never writes one. */
function parseV6(text: string): Address | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  // The dotted form stands for the last two groups.
  const last = tail ?? head;
  const v4 = parseV4(last.at(-1) ?? '');
  if (v4 !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0] = v4;
    last.splice(-1, 1, (a * 256 + b).toString(16), (c * 256 + d).toString(16));
  }
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...(tail ?? [])];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return groups.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function unmapped(address: Address | undefined): Address | undefined {
  return address && startsWith(address, MAPPED) ? address.slice(12) : address;
}

function startsWith(address: Address, bytes: Address): boolean {
  return bytes.every((byte, i) => byte === address[i]);
}

/** Addresses that begin with the same bits. */
interface Range {
  readonly first: Address;
  /** How many bits count. */
  readonly length: number;
}

/** An address, or a range in CIDR notation (RFC 4632, RFC 4291). */
function parseRange(text: string): Range | undefined {
  const [, start = '', given] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const first = parseAddress(start);
  if (first === undefined) return undefined;
  const size = start.includes(':') ? 128 : 32;
  // Of a mapped one the bits before the address itself are given, whatever it counts.
  const length = Number(given ?? size) - (size - first.length * 8);
  return length >= 0 && length <= first.length * 8 ? { first, length } : undefined;
}

/** The byte's bits that count, where so many of the whole address do. */
function maskAt(index: number, length: number): number {
  const bits = Math.min(8, Math.max(0, length - index * 8));
  return 0xff & ~(0xff >> bits);
}

/** What forbids an entry of a list of addresses, as a phrase for a person; undefined: nothing. */
export function rangeFault(text: string): string | undefined {
  const range = parseRange(text);
  if (range === undefined) {
    return 'must be an IP address or a range such as 192.0.2.0/24 or 2001:db8::/48';
  }
  // Whoever writes 10.1.2.3/8 may have meant the address, or the range.
  return range.first.every((byte, i) => (byte & maskAt(i, range.length)) === byte)
    ? undefined
    : 'must be a range that begins with its first address, such as 10.0.0.0/8';
}

/** Whether an address lies in one of the ranges; none that is not an IP address does. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const own = parseAddress(address);
  return own !== undefined && ranges.some((text) => holds(knownRange(text), own));
}

/** Each request of a token asks for the same ones, and to parse 64 takes longer than all the rest. */
const MOST_KNOWN = 10_000;
const known = new Map<string, Range | undefined>();

function knownRange(text: string): Range | undefined {
  if (known.has(text)) return known.get(text);
  if (known.size >= MOST_KNOWN) known.clear();
  const range = parseRange(text);
  known.set(text, range);
  return range;
}

function holds(range: Range | undefined, address: Address): boolean {
  if (range === undefined || range.first.length !== address.length) return false;
  const { first, length } = range;
  return first.every((byte, i) => byte === ((address[i] as number) & maskAt(i, length)));
}

/** Prefixes under which a translator shows all of IPv4 (RFC 6052, section 2.1; RFC 7915). */
const TRANSLATED = [
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
];

/**
 * By what a requester's address is known again: an IPv4 address itself, of IPv6 the /64 that one
 * subscriber has. Undefined if it is no IP address: nginx says `unix:` of all who come by a socket.
 */
export function networkOf(address: string): string | undefined {
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  const translated = TRANSLATED.some((prefix) => startsWith(parsed, prefix));
  const bytes = translated ? parsed.slice(12) : parsed;
  if (bytes.length === 4) return bytes.join('.');
  const groups = [0, 2, 4, 6].map((i) =>
    ((bytes[i] as number) * 256 + (bytes[i + 1] as number)).toString(16),
  );
  return `${groups.join(':').replace(/(^|:)0(:0)*$/, '')}::/64`;
}
