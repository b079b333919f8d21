import { isIP } from 'node:net';
import { isWithin } from '../site/address.ts';
import { type ConfigErrors, quote } from './errors.ts';
import type { Checked, ValidSettings } from './settings.ts';
import type { Listen } from './values.ts';

/** A socket that the supervisor opened and passed on: sd_listen_fds(3). */
export interface InheritedSocket {
  /** `FileDescriptorName=` of the socket unit. */
  readonly name: string;
  readonly fd: number;
  readonly kind: 'listening' | 'datagram' | 'other' | 'unknown';
  /** Absent: unknown. */
  readonly at?: Listen | undefined;
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

/** The settings, with the inherited sockets in place of the addresses that Postern would open. */
export function withInherited<V extends ValidSettings>(
  values: V,
  sockets: readonly InheritedSocket[],
): V {
  const entries = sockets.map(({ name, fd, at }) => {
    const unknown = name === 'delivery' ? { host: '', port: 0 } : { path: `descriptor ${fd}` };
    return [settingOf(name), { ...(at ?? unknown), fd }];
  });
  return { ...values, ...Object.fromEntries(entries) };
}

/** Reports sockets that Postern cannot use. Returns the others. */
export function usable(sockets: readonly InheritedSocket[], errors: ConfigErrors) {
  return sockets.filter(({ name, fd, kind }, index) => {
    const report = (expected: string) =>
      void errors.add({ field: 'LISTEN_FDNAMES', shown: quote(name) }, expected);
    if (!NAMES.includes(name) || sockets.findIndex((one) => one.name === name) < index) {
      const names = `${NAMES.join(', ')}, each once`;
      return report(`for descriptor ${fd} one of ${names}: FileDescriptorName= of a socket unit`);
    }
    const isUdp = name === 'delivery';
    if (kind === 'unknown' || kind === (isUdp ? 'datagram' : 'listening')) return true;
    return report(
      isUdp
        ? `for descriptor ${fd} a UDP socket: ListenDatagram=127.0.0.1:7302 in its socket unit`
        : `for descriptor ${fd} a TCP or Unix socket that listens: ListenStream= and Accept=no`,
    );
  });
}

/** Reports settings that contradict the inherited sockets. */
export function checkInherited(
  { valid, isSet, add }: Checked,
  sockets: readonly InheritedSocket[],
): void {
  for (const { name, at } of sockets) {
    const setting = settingOf(name);
    const configured = valid[setting];
    if (at === undefined || !isSet(setting) || configured === undefined) continue;
    if (configured !== 'off' && isSame(configured, at)) continue;
    add([setting], `no value, or ${textOf(at)}, which the socket unit of "${name}" has opened`);
  }
  const unix = sockets.find(({ at }) => at && 'path' in at);
  if (unix !== undefined && isSet('socket_mode')) {
    add(['socket_mode'], `no value: SocketMode= of the socket unit of "${unix.name}" sets it`);
  }
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
