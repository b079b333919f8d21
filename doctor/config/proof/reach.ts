import { sameListen } from '../addresses.ts';
import type { Directive, Location } from '../context.ts';
import type { Ask } from './ask.ts';
import type { Copy } from './copy.ts';
import { samplesOf } from './sample.ts';
import type { Variation } from './variations.ts';

/** How to reach a server block of the copy. */
export interface Base {
  readonly socket: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly listen: string;
  readonly isTls: boolean;
}

/** How to reach a server block: its name, over TLS or not if the configuration asks for it. */
export function basesOf(
  server: Location,
  copy: Copy,
  lines: readonly Directive[],
): readonly Base[] {
  const isAsked = lines.some(({ words }) => /\$\{?(scheme|https|server_port)\b/i.test(words));
  const [name = ''] = server.own('server_name').flatMap(({ args }) => args);
  const host = hostOf(name);
  const found = new Map<string, Base>();
  const all = server.own('listen');
  for (const listen of server.listens) {
    const socket = copy.sockets.get(sameListen(listen)) ?? '';
    const line = all.find(
      ({ args: [address = ''] }) =>
        address === listen || `${address}:80` === listen || address === listen.replace(/^.*:/, ''),
    );
    const isTls = /\bssl\b|\bquic\b/.test(line?.words ?? '');
    const port = /(\d+)$/.exec(listen)?.[1] ?? '80';
    const key = isAsked ? `${isTls}${port}` : '';
    if (!found.has(key) || isTls)
      found.set(key, {
        socket,
        host,
        listen,
        isTls,
        headers: { 'Doctor-Port': port, ...(isTls && { 'Doctor-Tls': '1' }) },
      });
  }
  return [...found.values()];
}

function hostOf(name: string): string {
  if (name.startsWith('~'))
    return (
      samplesOf(name.slice(1), ['a']).find((one) => /^[\w.-]+$/.test(one) && !one.includes('..')) ??
      'doctor.example'
    );
  const host = name
    .replace(/^\*?\./, 'www.')
    .replace(/\.\*$/, '.example')
    .toLowerCase();
  return /^[\w.-]+$/.test(host) && host !== '_' ? host : 'doctor.example';
}

export function curlOf(
  { method, target }: Ask,
  { host, listen, isTls }: Base,
  variation: Variation | undefined,
): string {
  const port = /:?(\d+)$/.exec(listen)?.[1] ?? '80';
  const isUsual = port === (isTls ? '443' : '80');
  const address = listen.startsWith('unix:')
    ? `--unix-socket ${listen.slice(5)} `
    : `--connect-to ::${/^(\d+|\*.*|0\.0\.0\.0.*|\[::\].*)$/.test(listen) ? '127.0.0.1' : listen.replace(/:\d+$/, '')}: `;
  const sent = Object.entries(variation?.headers ?? {}).filter(
    ([name]) => !name.startsWith('Doctor-'),
  );
  const more = sent.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `).join('');
  const url = `${isTls ? 'https' : 'http'}://${host}${listen.startsWith('unix:') || isUsual ? '' : `:${port}`}${target}`;
  return `curl ${isTls ? '-k ' : ''}--path-as-is ${address}${method === 'GET' ? '' : `-X ${method} `}${more}${quoted(url)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
