import { isIP } from 'node:net';

/**
 * The first address of a range, such as `10.0.0.0/8`, and the first one after it. What a list of ranges decides changes
 * only at these addresses, so the doctor needs no other ones.
 */
export function edgesOf(range: string): readonly string[] {
  if (/^(unix|localhost)/.test(range)) return ['127.0.0.1'];
  const [, from = '', bits, to] =
    /^([\d.]+|[\da-f:.]*:[\da-f:.]*)(?:\/(\d+)|-(.+))?$/i.exec(range) ?? [];
  if (!isIP(from)) return [];
  const size = from.includes(':') ? 128 : 32;
  const span = 1n << BigInt(size - Number(bits ?? size));
  const first = (numberOf(from) / span) * span;
  const next = to !== undefined && isIP(to) ? numberOf(to) + 1n : first + span;
  const all = next >> BigInt(size) > 0n ? [first] : [first, next];
  return all.map((one) => textOf(one, size));
}

function numberOf(address: string): bigint {
  if (!address.includes(':'))
    return address.split('.').reduce((all, part) => (all << 8n) + BigInt(part), 0n);
  const [start = [], end = []] = address
    .replace(/[\d.]+\.[\d.]+$/, (all) => textOf(numberOf(all), 128).split(':').slice(-2).join(':'))
    .split('::')
    .map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - start.length - end.length).fill('0');
  return [...start, ...zeros, ...end].reduce((all, part) => (all << 16n) + BigInt(`0x${part}`), 0n);
}

function textOf(number: bigint, size: number): string {
  const [count, bits, base, separator] = size === 32 ? [4, 8, 10, '.'] : [8, 16, 16, ':'];
  const parts = Array.from({ length: count }, (_, index) =>
    ((number >> BigInt(bits * (count - 1 - index))) & ((1n << BigInt(bits)) - 1n)).toString(base),
  );
  return parts.join(separator);
}
