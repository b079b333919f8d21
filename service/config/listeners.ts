import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { isWithin } from '../site/address.ts';
import { digits, HOST_NAME, oneOf, parsed } from './values.ts';

/** Where a server listens: an address (IPv6 without brackets) and a port, or a Unix socket. */
export type Listen = UdpAddress | { readonly path: string };

/** An address for UDP. */
export interface UdpAddress {
  readonly host: string;
  readonly port: number;
}

const LISTEN_EXPECTED = 'host:port, [IPv6]:port or unix:/path, such as 127.0.0.1:7300';

export const listenAddress = parsed<Listen>(LISTEN_EXPECTED, (text) =>
  text.startsWith('unix:') ? parseSocket(text.slice('unix:'.length)) : parseAddress(text),
);

/** An address, or `off` for no listener, which YAML 1.1 reads as false. */
export const listenAddressOrOff = z.union(
  [z.literal(['off', false]).transform((): 'off' => 'off'), listenAddress],
  `${LISTEN_EXPECTED}; or off, for no API`,
);

export const udpAddress = parsed('host:port or [IPv6]:port, such as 127.0.0.1:7302', parseAddress);

/** Permissions of a Unix socket, as in chmod(1). YAML reads 0660 as the number 660. */
export const socketMode = digits('one of 0600, 0660, 0666')
  .transform((mode) => mode.padStart(4, '0'))
  .pipe(oneOf('0600', '0660', '0666'))
  .transform((mode) => Number.parseInt(mode, 8));

/** The size of the kernel's sockaddr_un on every system, in bytes. */
const MAX_SOCKET_PATH_BYTES = 103;

function parseSocket(path: string): Listen | undefined {
  const isLegal =
    /^\/\P{Cc}*[^/\p{Cc}]$/u.test(path) && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
  return isLegal ? { path } : undefined;
}

function parseAddress(text: string): UdpAddress | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  // A text that ends in a number must be an address, so 127.0.0.300 is invalid.
  const isHost = isIPv4(plain) || (HOST_NAME.test(plain) && !/(^|\.)\d+$/.test(plain));
  const isLegal = bracketed === undefined ? isHost : isIPv6(bracketed);
  return isLegal && port >= 1 && port <= 65_535 ? { host: bracketed ?? plain, port } : undefined;
}

export const LOOPBACK = ['127.0.0.0/8', '::1'];

export function isLoopback(host: string): boolean {
  return host === 'localhost' || isWithin(host.replace(/^\[|\]$/g, ''), LOOPBACK);
}
