import { isIP } from 'node:net';

/** The bytes of an IP address: 4 for IPv4, also if it is mapped into IPv6, and 16 for IPv6. */
type Address = readonly number[];

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** RFC 4291, section 2.2, without zones, which nginx never writes. */
function parseAddress(text: string): Address | undefined {
  const family = isIP(text);
  if (family === 4) return text.split('.').map(Number);
  if (family !== 6 || text.includes('%')) return undefined;
  const bytes = bytesOfGroups(text);
  return startsWith(bytes, MAPPED) ? bytes.slice(12) : bytes;
}

const [COLON, NINE] = [0x3a, 0x39];

/**
 * Returns the bytes of a valid IPv6 address. A request may have 64 addresses: to split each and parse its groups would take
 * three times as long.
 */
function bytesOfGroups(text: string): number[] {
  // The last group may have the dotted form of IPv4.
  const dot = text.indexOf('.');
  const hex = dot < 0 ? text : text.slice(0, text.lastIndexOf(':', dot));
  const last =
    dot < 0
      ? []
      : text
          .slice(hex.length + 1)
          .split('.')
          .map(Number);
  const bytes: number[] = [];
  let gap = 0;
  let group = 0;
  for (let i = 0; i <= hex.length; i += 1) {
    const code = i < hex.length ? hex.charCodeAt(i) : COLON;
    if (code !== COLON) {
      group = group * 16 + (code <= NINE ? code & 15 : (code & 15) + 9);
    } else if (i === 0 || hex.charCodeAt(i - 1) === COLON) {
      gap = bytes.length;
    } else {
      bytes.push(group >> 8, group & 255);
      group = 0;
    }
  }
  bytes.push(...last);
  if (bytes.length < 16) bytes.splice(gap, 0, ...Array<number>(16 - bytes.length).fill(0));
  return bytes;
}

function startsWith(address: Address, bytes: Address): boolean {
  return bytes.every((byte, i) => byte === address[i]);
}

export interface Range {
  readonly first: Address;
  /** Length of the prefix in bits. */
  readonly length: number;
}

/** An address, or a range in CIDR notation (RFC 4632, RFC 4291). */
export function parseRange(text: string): Range | undefined {
  const [, start = '', prefixLength] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const first = parseAddress(start);
  if (first === undefined) return undefined;
  const size = start.includes(':') ? 128 : 32;
  // The prefix length of a mapped address includes the bits before the IPv4 address.
  const length = Number(prefixLength ?? size) - (size - first.length * 8);
  return length >= 0 && length <= first.length * 8 ? { first, length } : undefined;
}

/** The mask of one byte for a prefix of `length` bits. */
function maskAt(index: number, length: number): number {
  const bits = Math.min(8, Math.max(0, length - index * 8));
  return 0xff & ~(0xff >> bits);
}

/** Why an entry in a list of addresses is invalid, as a phrase for a message; undefined if it is valid. */
export function addressRangeError(text: string): string | undefined {
  const range = parseRange(text);
  if (range === undefined) {
    return 'must be an IP address or a range such as 192.0.2.0/24 or 2001:db8::/48';
  }
  // 10.1.2.3/8 may mean the address or the range.
  return contains(range, range.first)
    ? undefined
    : 'must be a range that starts with its first address, such as 10.0.0.0/8';
}

/** Whether an IP address is in one of the ranges; false for any other text. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && ranges.some((text) => contains(cachedRange(text), parsed));
}

/** Every request of a token uses the same ranges, and parsing 64 takes longer than the rest of a decision. */
const MAX_CACHED = 10_000;
const cache = new Map<string, Range | undefined>();

function cachedRange(text: string): Range | undefined {
  if (cache.has(text)) return cache.get(text);
  if (cache.size >= MAX_CACHED) cache.clear();
  const range = parseRange(text);
  cache.set(text, range);
  return range;
}

function contains(range: Range | undefined, address: Address): boolean {
  if (range?.first.length !== address.length) return false;
  const { first, length } = range;
  return first.every((byte, i) => byte === ((address[i] as number) & maskAt(i, length)));
}

/** Prefixes of IPv6 addresses that a translator makes from IPv4 (RFC 6052, section 2.1; RFC 7915). */
const TRANSLATED = [
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0],
];

/** What identifies a requester: an IPv4 address, or the /64 of an IPv6 subscriber; undefined for `unix:` and the like. */
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

interface Opened {
  /** The descriptor of a socket that the supervisor has opened there. */
  readonly fd?: number;
}

/** Where a server listens: an address (IPv6 without brackets) and a port, or a Unix socket. */
export type Listen = UdpAddress | (Opened & { readonly path: string });

export interface UdpAddress extends Opened {
  readonly host: string;
  readonly port: number;
}

export const LOOPBACK = ['127.0.0.0/8', '::1'];

export function isLoopback(host: string): boolean {
  return host === 'localhost' || isWithin(host.replace(/^\[|\]$/g, ''), LOOPBACK);
}
