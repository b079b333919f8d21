import { isIP } from 'node:net';
import { isLoopback, type Listen } from '../../service/address.ts';
import { listenAddress } from '../../service/config/values.ts';
import type { Directive, Http, Location } from './context.ts';
import { WILD } from './values.ts';

/** Where a `proxy_pass` leads, with the addresses of its upstream. The URL can be a value with variables. */
export function targetOf(url: string, http: Http) {
  const [, tls, text = WILD, uri = ''] =
    /^[\w\uE000]+?(s?):\/\/(unix:[^:]*|\uE001|[^/\uE001]*):?(.*)$/s.exec(url) ?? [];
  // A client can choose this machine.
  const address = text.replace(/^\uE000(?=:|$)/, 'localhost');
  const upstream = http.own('upstream').find(({ args }) => args[0] === address);
  const servers = upstream?.own('server').map(({ args }) => args[0] ?? '');
  return {
    uri,
    servers: servers ?? [
      hostAndPort(address, tls && '443')
        .filter(Boolean)
        .join(':'),
    ],
  };
}

/** Whether this server of an upstream is Postern's listener. A name can have any address, and a gate can listen on every one. */
export function isAt(address: string, listen: Listen): boolean {
  const { data: server } = listenAddress.safeParse(address);
  if (server === undefined) return false;
  if ('path' in server || 'path' in listen) return address === `unix:${Object(listen).path}`;
  const isSame =
    server.host === listen.host ||
    ['0.0.0.0', '::'].includes(listen.host) ||
    (isLoopback(server.host) ? isLoopback(listen.host) : isIP(server.host) === 0);
  return isSame && server.port === listen.port;
}

/** Whether a location passes requests on to a server block of this nginx. With `anyHost`, each name can be this machine. */
export function isFrontOf(front: Directive, to: Location, http: Http, anyHost = false): boolean {
  const [url = '$'] = front.own('proxy_pass').map(({ args }) => args[0]);
  const { servers } = targetOf(url.replace(/(?<!:\/\/)\$.*/s, ''), http);
  const names = anyHost ? undefined : to.names;
  return servers.some((one) => to.listens.some((listen) => isListening(one, listen, names)));
}

/** The `listen` of the server block of this nginx to which a URL leads, and the rest of the URL. */
export function ownListen(url: string, http: Http) {
  const [, text = '', rest = ''] =
    /^(?:https?|grpcs?):\/\/(unix:[^:]*|[^/$]*):?((?:[/$].*)?)$/s.exec(url) ?? [];
  if (text === '') return undefined;
  const { servers } = targetOf(`${url.split('://')[0]}://${text}`, http);
  for (const one of servers) {
    for (const { listens, names } of http.servers) {
      const listen = listens.find((own) => isListening(one, own, names));
      if (listen !== undefined)
        return { listen, rest, host: text.replace(/^unix:.*/, 'localhost') };
    }
  }
  return undefined;
}

/** The locations of this nginx that can answer the requests that a location passes on. */
export function behind(front: Directive, http: Http): readonly Location[] {
  const servers = http.servers.filter((to) => isFrontOf(front, to, http));
  return servers.flatMap((to) => (to.isHandled || to.locations.length === 0 ? [to] : to.locations));
}

/** Whether a server of an upstream is a server block with this `listen`. Its host is this machine, or one of the names. */
function isListening(address: string, listen: string, names: readonly string[] | undefined) {
  const [[host, port], [own, ownPort]] = [hostAndPort(address), hostAndPort(listen)];
  const isHere = LOCAL.test(host) || (names?.includes(host) ?? true);
  const isAny = isHere && /^(\*|0\.0\.0\.0|\[::\])$/.test(own);
  const isLocal = LOCAL.test(host) && LOCAL.test(own);
  return port === ownPort && (own === host || (port !== '' && (isAny || isLocal)));
}

/** An address from which only programs on this machine connect. */
export const LOCAL = /^(unix:|127\.|localhost(:|$)|\[?::1(\]|$|\/))/;

function hostAndPort(address: string, usual = ''): readonly [host: string, port: string] {
  if (address.startsWith('unix:')) return [address, ''];
  const [, host = '*', port = usual || '80'] = /^(?:(.*):)?(\d+)$/.exec(address) ?? ['', address];
  return [host, port];
}

/** One text for the same address of a `listen`: `80`, `*:80` and `0.0.0.0:80`. */
export function sameListen(text: string): string {
  const [host, port] = hostAndPort(text);
  if (port === '' || host === '*') return port === '' ? text : `0.0.0.0:${port}`;
  const url = `http://${host}`;
  return host.startsWith('[') && URL.canParse(url) ? `${new URL(url).hostname}:${port}` : text;
}

/** Larger than the network of a CDN, and not a private network (RFC 4193). IPv4 has no private one of this size. */
export function isForEverybody(range: string): boolean {
  const [, address = '', bits] = /^(.*)\/(\d+)$/.exec(range) ?? [];
  if (bits === undefined) return false;
  return address.includes(':') ? Number(bits) < 16 && !/^f[cde]/i.test(address) : Number(bits) < 8;
}
