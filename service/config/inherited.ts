import { readFileSync, readlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { endianness } from 'node:os';
import { isWithin, type Listen, type UdpAddress } from '../address.ts';

/** A socket that the supervisor opened and passed on: sd_listen_fds(3). */
export interface InheritedSocket {
  /** `FileDescriptorName=` of the socket unit. */
  readonly name: string;
  readonly fd: number;
  readonly kind: 'listening' | 'datagram' | 'other' | 'unknown';
  /** Absent: unknown. */
  readonly at?: Listen | undefined;
  /** The supervisor has cleared O_NONBLOCK, for all processes that use the socket. */
  readonly blocks?: true;
}

/** The first descriptor: SD_LISTEN_FDS_START. */
const FIRST_DESCRIPTOR = 3;

/** The supervisor's sockets for this process: sd_listen_fds(3). Removes the variables, so that no child takes them. */
export function takeInherited(env: NodeJS.ProcessEnv, pid: number): readonly InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  // A parent has passed on its variables.
  if (LISTEN_PID !== String(pid)) return [];
  const names = LISTEN_FDNAMES.split(':');
  return Array.from({ length: Number(LISTEN_FDS) }, (_, i) => {
    const fd = FIRST_DESCRIPTOR + i;
    const flag = blocks(fd) && ({ blocks: true } as const);
    return { name: names[i] ?? '', fd, ...flag, ...findSocket(fd) };
  });
}

const O_NONBLOCK = 0o4000;

/** Linux shows the flags of a descriptor in octal: proc(5), /proc/pid/fdinfo. False if they are unknown. */
function blocks(fd: number): boolean {
  const text = read(() => readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
  const [, flags] = /^flags:\s*([0-7]+)$/m.exec(text) ?? [];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_NONBLOCK) === 0;
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

/** The setting that has the address of a socket that Postern opens itself. */
const SETTING_OF = {
  gate: 'listen',
  api: 'api_listen',
  metrics: 'metrics_listen',
  delivery: 'delivery_listen',
} as const;

const NAMES = Object.keys(SETTING_OF);

const settingOf = (name: string) => SETTING_OF[name as keyof typeof SETTING_OF];

/** The addresses of the sockets, by the settings of which they take the place. */
export function addressesOf(sockets: readonly InheritedSocket[]) {
  const entries = sockets.map(({ name, fd, at }) => {
    const unknown = name === 'delivery' ? { host: '', port: 0 } : { path: `descriptor ${fd}` };
    return [settingOf(name), { ...(at ?? unknown), fd }];
  });
  return Object.fromEntries(entries);
}

/** What is expected of a socket that Postern cannot use; undefined if it can use it. */
export function socketError(
  { name, fd, kind }: InheritedSocket,
  index: number,
  sockets: readonly InheritedSocket[],
): string | undefined {
  if (!NAMES.includes(name) || sockets.findIndex((one) => one.name === name) < index) {
    const names = `${NAMES.join(', ')}, each once`;
    return `for descriptor ${fd} one of ${names}: FileDescriptorName= of a socket unit`;
  }
  const isUdp = name === 'delivery';
  if (kind === 'unknown' || kind === (isUdp ? 'datagram' : 'listening')) return undefined;
  return isUdp
    ? `for descriptor ${fd} a UDP socket: ListenDatagram=127.0.0.1:7302 in its socket unit`
    : `for descriptor ${fd} a TCP or Unix socket that listens: ListenStream= and Accept=no`;
}

/** Each setting that contradicts the inherited sockets, and what is expected there. `settings` are those that are set. */
export function contradictions(
  sockets: readonly InheritedSocket[],
  settings: Readonly<Record<string, unknown>>,
): readonly (readonly [setting: string, expected: string])[] {
  const addresses = sockets.flatMap(({ name, at }) => {
    const setting = settingOf(name);
    const configured = settings[setting] as Listen | 'off' | undefined;
    if (at === undefined || configured === undefined) return [];
    if (configured !== 'off' && isSame(configured, at)) return [];
    const expected = `no value, or ${textOf(at)}, which the socket unit of "${name}" has opened`;
    return [[setting, expected] as const];
  });
  const unix = sockets.find(({ at }) => at && 'path' in at);
  if (unix === undefined || settings.socket_mode === undefined) return addresses;
  const mode = `no value: SocketMode= of the socket unit of "${unix.name}" sets it`;
  return [...addresses, ['socket_mode', mode]];
}

function isSame(configured: Listen, at: Listen): boolean {
  if ('path' in configured || 'path' in at) return Object(configured).path === Object(at).path;
  // A name can have any address.
  const isHost = isIP(configured.host) === 0 || isWithin(configured.host, [at.host]);
  return isHost && configured.port === at.port;
}

function textOf(at: Listen): string {
  if ('path' in at) return `unix:${at.path}`;
  return `${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`;
}
