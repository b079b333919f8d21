import { isIPv4, isIPv6 } from 'node:net';
import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';

const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*$/i;

/** Fewer characters than a file system allows: none of them means anything to nginx. */
const SOCKET = /^unix:(\/[A-Za-z0-9._-]+)+$/;

/** What fits into sockaddr_un on every system, in bytes, with `unix:` before it. */
const MAX_SOCKET_BYTES = 103 + 5;

/** A server of an upstream: `127.0.0.1:7300`, `[::1]:7300`, `gate:7300`, `unix:/run/gate.sock`. */
export function readUpstream(value: Given, faults: Faults): string | undefined {
  const text = String(value.value);
  const { host, port } = split(text) ?? {};
  const named = host !== undefined && (isAddress(host) || isName(host));
  if (isSocket(text) || (named && isPort(port))) return text;
  return faults.add(
    value,
    'the address of a gate: 127.0.0.1:7300, [::1]:7300, gate.internal:7300 or unix:/run/postern/gate.sock',
  );
}

/** What nginx listens on: `80`, `*:80`, `127.0.0.1:80`, `[::]:80`, `unix:/run/site.sock`. */
export function readListen(value: Given, faults: Faults): string | undefined {
  const text = String(value.value);
  const { host, port } = split(text) ?? { host: '*', port: text };
  if (isSocket(text) || ((host === '*' || isAddress(host)) && isPort(port))) return text;
  return faults.add(value, 'an address for nginx to listen on: 80, 127.0.0.1:8080 or [::]:80');
}

/** A host as in a URL, with or without a port. */
export function isHost(text: string): boolean {
  const colon = /:\d+$/.test(text);
  const { host, port } = (colon && split(text)) || { host: text, port: '80' };
  return (isAddress(host) || isName(host)) && isPort(port);
}

/** nginx rejects the same address twice: `80`, `*:80` and `0.0.0.0:80` are the same. */
export function sameListen(text: string): string {
  const { host, port } = split(text) ?? { host: '*', port: text };
  if (text.startsWith('unix:')) return text;
  if (host === '*') return `0.0.0.0:${port}`;
  return host.startsWith('[') ? `${new URL(`http://${host}`).hostname}:${port}` : text;
}

function split(text: string): { readonly host: string; readonly port: string } | undefined {
  const colon = text.lastIndexOf(':');
  return colon < 0 ? undefined : { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

function isPort(text: string | undefined): boolean {
  return /^[1-9]\d{0,4}$/.test(text ?? '') && Number(text) <= 65_535;
}

/** An IPv6 address in brackets, as nginx reads it: without a zone, and `::` for two groups at least. */
function isAddress(host: string): boolean {
  const [, inner] = /^\[([\da-f:.]+)\]$/i.exec(host) ?? [];
  if (inner === undefined) return isIPv4(host);
  const groups = inner.split(/[:.]/).filter(Boolean).length - (inner.includes('.') ? 2 : 0);
  return isIPv6(inner) && !(inner.includes('::') && groups === 7);
}

/** A name that ends in digits is a wrong address, such as 127.0.0.300. */
function isName(host: string): boolean {
  return host.length <= 253 && HOST_NAME.test(host) && !/(^|\.)\d+$/.test(host);
}

function isSocket(text: string): boolean {
  return SOCKET.test(text) && text.length <= MAX_SOCKET_BYTES && !/\/\.\.?(\/|$)/.test(text);
}
