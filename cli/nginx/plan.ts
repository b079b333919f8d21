import type { Config } from '../../service/config/config.ts';
import { type ConfigErrors, quote } from '../../service/config/errors.ts';
import type { SourcedValue } from '../../service/config/source.ts';
import type { NginxOptions } from './options.ts';
import { type Places, readPlaces } from './place.ts';
import { planSites, type Site } from './sites.ts';
import {
  given,
  readListen,
  readLogFile,
  readLogin,
  readOrigin,
  readUpstream,
  sameListen,
} from './values.ts';

/** Everything that the configuration is made of, checked: whatever is in it may be written. */
export interface Plan {
  readonly upstreams: readonly string[];
  readonly listens: readonly string[];
  readonly sites: readonly Site[];
  readonly places: Places;
  /** Absent: no log. */
  readonly logFile?: string;
  readonly origins: readonly string[];
  readonly login?: string;
  readonly limitConn?: number;
  readonly cache: boolean;
  readonly xAccel: boolean;
}

export function planOf(
  options: NginxOptions,
  { mounts, listen, publicUrl }: Pick<Config, 'mounts' | 'listen' | 'publicUrl'>,
  faults: ConfigErrors,
): Plan {
  const one = <T>(
    name: string,
    text: string | undefined,
    read: (value: SourcedValue, faults: ConfigErrors) => T | undefined,
  ) => (text === undefined ? undefined : read(given(name, text), faults));
  const each = <T>(
    name: string,
    texts: readonly string[],
    read: (value: SourcedValue, faults: ConfigErrors) => T | undefined,
  ) => texts.flatMap((text) => one(name, text, read) ?? []);

  const upstreams =
    options.upstream.length > 0
      ? each('--upstream', options.upstream, readUpstream)
      : [readUpstream(ownGate(listen), faults) ?? ''];
  const listens = each('--listen', options.listen, readListen);
  if (new Set(listens.map(sameListen)).size < listens.length) {
    faults.add({ field: '--listen', shown: quote(listens.join(' ')) }, 'each address once');
  }
  const sites = planSites(mounts, options.serverName, faults);
  const log = options.log === 'off' ? undefined : options.logFile;
  const logFile = one('--log-file', log, readLogFile);
  const login = one('--login', options.login, (value) => readLogin(value, publicUrl, faults));
  const limitConn = one('--limit-conn', options.limitConn, readCount);
  return {
    upstreams,
    listens,
    sites,
    places: readPlaces(options, sites, faults),
    ...(logFile !== undefined && { logFile }),
    origins: [...new Set(each('--cors', options.cors, readOrigin))],
    ...(login !== undefined && { login }),
    ...(limitConn !== undefined && { limitConn }),
    cache: options.cache === true,
    xAccel: options.xAccel === true,
  };
}

/** Where Postern's own gate listens: the server of the upstream, where no other is named. */
function ownGate(listen: Config['listen']): SourcedValue {
  const EVERY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  const text = 'path' in listen ? `unix:${listen.path}` : hostAndPort(listen);
  return given('POSTERN_LISTEN (or --upstream)', text);

  function hostAndPort({ host, port }: { host: string; port: number }): string {
    const at = EVERY[host] ?? host;
    return `${at.includes(':') ? `[${at}]` : at}:${port}`;
  }
}

/** nginx counts in 16 bits. */
function readCount(value: SourcedValue, faults: ConfigErrors): number | undefined {
  const text = String(value.value);
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text);
  return faults.add(value, 'a whole number from 1 to 65535, such as 8');
}
