import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';

/** Settings that need a restart: the addresses are in use, and the store holds the tokens. */
const FIXED = /^(listen|api_listen|metrics_listen|delivery|socket_mode|store|sentinel)(_|$)/;

export interface Changes {
  /** Such as `changed log_level` and `removed mounts /media/`. */
  readonly made: readonly string[];
  /** Settings that differ and need a restart. */
  readonly needRestart: readonly string[];
}

/**
 * Names what differs between two configurations, without values: some are secrets. `files` are the key
 * files of each, by path.
 */
export function changesBetween(
  before: Config,
  after: Config,
  files: readonly [Files, Files] = [new Map(), new Map()],
): Changes {
  const [a, b] = [partsOf(before, files[0]), partsOf(after, files[1])];
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const differ = names.filter((name) => !isDeepStrictEqual(a.get(name), b.get(name)));
  const made = differ
    .filter((name) => !FIXED.test(name))
    .map((name) => `${a.has(name) ? (b.has(name) ? 'changed' : 'removed') : 'added'} ${name}`);
  return { made, needRestart: differ.filter((name) => FIXED.test(name)) };
}

/** What identifies the content of each file, by its path. */
export type Files = ReadonlyMap<string, unknown>;

/** Everything in a configuration that has a name: the settings, and the entries of lists. */
function partsOf(config: Config, files: Files): ReadonlyMap<string, unknown> {
  const { mounts, apiKeys, issuers, cookies, store, ...plain } = config;
  const { url, password, tls = {}, sentinel = {}, ...others } = store;
  const { serverName, ...pem } = tls;
  const { sameSite, ...otherCookies } = cookies;
  const parts = [
    ...named('', plain),
    ['cookie_samesite', sameSite] as const,
    ...named('cookie_', otherCookies),
    ...mounts.map((mount) => [`mounts ${mount.id}`, mount] as const),
    ...apiKeys.map((key) => [`api_keys ${key.client.id}`, key] as const),
    ...issuers.map((issuer) => [`issuers ${issuer.id}`, issuer] as const),
    ...[...files].map(([path, content]) => [`file ${path}`, content] as const),
    ['store', url] as const,
    ['store_password_file', password] as const,
    ['store_server_name', serverName] as const,
    ...named('store_', others),
    ...Object.entries(pem).map(([name, text]) => [`store_${name}_file`, text] as const),
    ...named('sentinel_', sentinel),
  ];
  return new Map(parts.filter(([, value]) => value !== undefined));
}

function named(prefix: string, values: object): ReadonlyArray<readonly [string, unknown]> {
  return Object.entries(values).map(([name, value]) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [prefix + snake, value] as const;
  });
}
