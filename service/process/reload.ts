import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { App } from '../app.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/errors.ts';
import { KeyFilesError } from '../jwt/jwt.ts';

/** A configuration, and the gate and the API that were created from it. */
export interface Opened {
  readonly config: Config;
  /** The key files that were read. */
  readonly files: Files;
  readonly app: App;
}

/** The hash of each file, by its path. */
type Files = ReadonlyMap<string, unknown>;

interface ReloadDependencies {
  /** Reads and checks the whole configuration. */
  readonly open: () => Promise<Opened>;
  readonly log: Logger;
  readonly recordReload: (isSuccessful: boolean) => void;
}

/** The current app. A reload replaces it in one assignment, so that no request uses parts of both. */
export function createCurrent(started: Opened, { open, log, recordReload }: ReloadDependencies) {
  let current = started;
  return {
    get app() {
      return current.app;
    },
    get config() {
      return current.config;
    },
    /** Keeps the current app if the new configuration is invalid. Never rejects. */
    async reload(): Promise<void> {
      try {
        const before = current;
        current = await open();
        recordReload(true);
        logReload(before);
      } catch (error) {
        recordReload(false);
        log.error(
          problemsOf(error),
          'the configuration was not reloaded: Postern keeps the previous one',
        );
      }
    },
  };

  function logReload(before: Opened): void {
    const { config, files } = current;
    const { made } = changesBetween(before.config, config, [before.files, files]);
    // The line appears if the old or the new log level shows it.
    const write = () => log.info({ changes: made }, 'the configuration was reloaded');
    const isShown = log.isLevelEnabled('info');
    if (isShown) write();
    log.level = config.logLevel;
    if (!isShown) write();
    const { needRestart } = changesBetween(started.config, config);
    if (needRestart.length > 0) {
      log.warn({ settings: needRestart }, 'some changed settings need a restart');
    }
  }
}

/** All errors of a configuration, without secrets. */
function problemsOf(error: unknown): object {
  if (error instanceof ConfigError) return { errors: error.issues };
  if (error instanceof KeyFilesError) return { errors: error.problems };
  return { err: error };
}

/** Settings that need a restart: addresses that Postern listens on, and the store, which has the tokens. */
const FIXED = /^(listen|api_listen|metrics_listen|delivery|socket_mode|store|sentinel)(_|$)/;

/**
 * Names what differs between two configurations, without values: some are secrets. `made` has texts such as
 * `changed log_level` and `removed mounts /media/`; `needRestart` has names. `files` are the key files of each.
 */
export function changesBetween(
  before: Config,
  after: Config,
  files: readonly [Files, Files] = [new Map(), new Map()],
) {
  const [a, b] = [partsOf(before, files[0]), partsOf(after, files[1])];
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const differ = names.filter((name) => !isDeepStrictEqual(a.get(name), b.get(name)));
  const made = differ
    .filter((name) => !FIXED.test(name))
    .map((name) => `${a.has(name) ? (b.has(name) ? 'changed' : 'removed') : 'added'} ${name}`);
  return { made, needRestart: differ.filter((name) => FIXED.test(name)) };
}

/** The settings and the entries of lists, by name. */
function partsOf(config: Config, files: Files): ReadonlyMap<string, unknown> {
  const { mounts, apiKeys, issuers, cookies, store, events, pages, ...plain } = config;
  const { name, color, links, ...folder } = pages;
  const { url, password, tls = {}, sentinel = {}, ...others } = store;
  const { serverName, ...pem } = tls;
  const { sameSite, ...otherCookies } = cookies;
  const parts = [
    ...named('', plain),
    ['cookie_samesite', sameSite],
    ...named('cookie_', otherCookies),
    ...mounts.map((mount) => [`mounts ${mount.id}`, mount]),
    ...apiKeys.map((key) => [`api_keys ${key.client.id}`, key]),
    ...issuers.map((issuer) => [`issuers ${issuer.id}`, issuer]),
    ...[...files].map(([path, content]) => [`file ${path}`, content]),
    ['events', events.types],
    ['webhook_url', events.webhook?.url],
    ['webhook_secret_file', events.webhook?.secrets],
    ['webhook_allow', events.webhook?.allow],
    ...named('page_', { name, color, links, folder }),
    ['store', url],
    ['store_password_file', password],
    ['store_server_name', serverName],
    ...named('store_', others),
    ...Object.entries(pem).map(([name, text]) => [`store_${name}_file`, text]),
    ...named('sentinel_', sentinel),
  ] as ReadonlyArray<readonly [string, unknown]>;
  return new Map(parts.filter(([, value]) => value !== undefined));
}

function named(prefix: string, values: object): ReadonlyArray<readonly [string, unknown]> {
  return Object.entries(values).map(([name, value]) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [prefix + snake, value] as const;
  });
}
