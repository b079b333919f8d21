import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isWithin } from '../domain/address.ts';

/** Everything else in IPv6 is local, reserved, or has an IPv4 address in it. */
const ROUTED = ['0.0.0.0/0', '2000::/3'];

/** https://www.iana.org/assignments/iana-ipv4-special-registry/ and the one for IPv6. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
];

export function isPublic(address: string): boolean {
  return isWithin(address, ROUTED) && !isWithin(address, SPECIAL);
}

/** A receiver's address that must not be connected to. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';

  constructor() {
    super('its address is not public: add it to POSTERN_WEBHOOK_ALLOW');
  }
}

/** `dns.lookup`, and in tests a double of it. */
export type Resolve = (
  name: string,
  options: { readonly all: true; readonly family?: number },
  callback: (
    error: Error | null,
    found: ReadonlyArray<{ address: string; family: number }>,
  ) => void,
) => void;

/**
 * A look-up for a connection that finds only allowed addresses. The connection goes to what it finds, so
 * a name that leads elsewhere a moment later makes no difference.
 */
export function allowedLookup(
  isAllowed: (address: string) => boolean,
  resolve: Resolve = lookup as Resolve,
): LookupFunction {
  return (name, { all, family }, callback) => {
    const wanted = typeof family === 'number' ? { family } : {};
    resolve(name, { all: true, ...wanted }, (error, found) => {
      if (error) return callback(error, []);
      const allowed = found.filter(({ address }) => isAllowed(address));
      const [first] = allowed;
      if (first === undefined) return callback(new AddressRefused(), []);
      if (all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

/** Node looks up no address, so it has to be checked before. */
export function checkHost(host: string, isAllowed: (address: string) => boolean): void {
  const address = host.replace(/^\[|\]$/g, '');
  if (isIP(address) > 0 && !isAllowed(address)) throw new AddressRefused();
}
