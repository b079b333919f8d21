import { isIPv4, isIPv6 } from 'node:net';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** Where a server listens: an address (IPv6 without brackets) and a port, or a Unix socket. */
export type Listen = { readonly host: string; readonly port: number } | { readonly path: string };

const EXPECTED =
  'an address and a port from 1 to 65535, such as 127.0.0.1:7300 or [::1]:7300, ' +
  'or a socket, such as unix:/run/postern/gate.sock';

/** What fits into the kernel's sockaddr_un on every system, in bytes. */
const MAX_SOCKET_PATH = 103;

const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export function readListen(given: Given, faults: Faults): Listen | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  const listen = text.startsWith('unix:') ? socket(text.slice('unix:'.length)) : address(text);
  return listen ?? faults.add(given, EXPECTED);
}

function socket(path: string): Listen | undefined {
  const legal = /^\/\P{Cc}*[^/\p{Cc}]$/u.test(path) && Buffer.byteLength(path) <= MAX_SOCKET_PATH;
  return legal ? { path } : undefined;
}

function address(text: string): Listen | undefined {
  const [, bracketed, plain = '', digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined;
  // What ends in digits is meant to be an address, so 127.0.0.300 is no name.
  const legal = isIPv4(plain) || (HOST_NAME.test(plain) && !/(^|\.)\d+$/.test(plain));
  return legal ? { host: plain, port } : undefined;
}

const EVERY_ADDRESS = ['0.0.0.0', '::'];

/** Whether two listeners would ask for one and the same address. */
export function collide(a: Listen, b: Listen): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  const same = a.host.toLowerCase() === b.host.toLowerCase();
  const every = EVERY_ADDRESS.includes(a.host) || EVERY_ADDRESS.includes(b.host);
  return a.port === b.port && (same || every);
}
