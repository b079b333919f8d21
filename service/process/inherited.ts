import { readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';
import type { InheritedSocket } from '../config/inherited.ts';
import type { UdpAddress } from '../config/values.ts';

/** The first descriptor: SD_LISTEN_FDS_START. */
const FIRST = 3;

/**
 * The sockets that the supervisor opened for this process: sd_listen_fds(3). Removes the variables, so that a child
 * does not take the descriptors for its own.
 */
export function takeInherited(env: NodeJS.ProcessEnv, pid: number): readonly InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  // A parent has passed on its variables.
  if (LISTEN_PID !== String(pid)) return [];
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => {
    return { name: names[i] ?? '', fd: FIRST + i, ...findSocket(FIRST + i) };
  });
}

const TCP_LISTEN = '0A';
const UNIX_LISTENS = '00010000';

/** Node.js does not tell the address of an inherited Unix socket. Linux lists it: proc(5), /proc/net. */
function findSocket(fd: number): Pick<InheritedSocket, 'kind' | 'at'> {
  const link = read(() => readlinkSync(`/proc/self/fd/${fd}`));
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  const rowOf = (table: string, column: number) =>
    read(() => readFileSync(`/proc/self/net/${table}`, 'latin1'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find((words) => words[column] === inode);
  if (inode === undefined) return { kind: 'other' };
  const unix = rowOf('unix', 6);
  if (unix) {
    const path = unix.slice(7).join(' ');
    // Type 1 is a stream.
    const isListening = unix[3] === UNIX_LISTENS && unix[4] === '0001';
    return { at: { path }, kind: isListening ? 'listening' : 'other' };
  }
  for (const table of ['tcp', 'tcp6']) {
    const tcp = rowOf(table, 9);
    if (tcp) return { at: addressOf(tcp[1]), kind: tcp[3] === TCP_LISTEN ? 'listening' : 'other' };
  }
  const udp = rowOf('udp', 9) ?? rowOf('udp6', 9);
  // The table has only the sockets of the process' network namespace.
  return udp ? { at: addressOf(udp[1]), kind: 'datagram' } : { kind: 'unknown' };
}

/** Empty if it does not exist, such as a descriptor, or a table without IPv6. */
function read(text: () => string): string {
  try {
    return text();
  } catch {
    return '';
  }
}

/** `0100007F:1C85`: the address in words of 32 bits, in the byte order of the machine. */
function addressOf(text = ''): UdpAddress {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') bytes.swap32();
  const isShort = bytes.length === 4;
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  const host = isShort ? bytes.join('.') : new URL(`http://[${groups.join(':')}]`).hostname;
  return { host: host.replace(/[[\]]/g, ''), port: Number.parseInt(port, 16) };
}
