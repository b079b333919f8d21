import { realpathSync, type Stats, statSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { App } from './app.ts';
import type { Config } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { needsRestart } from './config/settings.ts';
import { KeyFilesError } from './jwt/jwt.ts';
import { mountId } from './paths/mount.ts';

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
  readonly open: () => Promise<Opened>;
  readonly log: Logger;
  readonly recordReload: (isSuccessful: boolean) => void;
}

/** The current app. A reload replaces it in one assignment, so that no request uses parts of both. */
export function createCurrent(started: Opened, { open, log, recordReload }: ReloadDependencies) {
  let current = started;

  /** Keeps the current app if the new configuration is invalid. Never rejects. */
  async function reload(): Promise<void> {
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
  }

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

  return { current: () => current, reload };
}

/** All errors of a configuration, without secrets. */
function problemsOf(error: unknown): object {
  if (error instanceof ConfigError) return { errors: error.issues };
  if (error instanceof KeyFilesError) return { errors: error.problems };
  return { err: error };
}

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
    .filter((name) => !needsRestart(name))
    .map((name) => `${a.has(name) ? (b.has(name) ? 'changed' : 'removed') : 'added'} ${name}`);
  return { made, needRestart: differ.filter(needsRestart) };
}

/** The settings, the entries of lists and the key files, by name. */
function partsOf({ settings }: Config, files: Files): ReadonlyMap<string, unknown> {
  const { mounts, api_keys: keys = [], issuers = [], ...others } = settings;
  return new Map<string, unknown>([
    ...Object.entries(others),
    ...mounts.map((mount) => [`mounts ${mountId(mount.site, mount.public)}`, mount] as const),
    ...keys.map((key) => [`api_keys ${key.id}`, key] as const),
    ...issuers.map((issuer) => [`issuers ${issuer.id}`, issuer] as const),
    ...[...files].map(([path, content]) => [`file ${path}`, content] as const),
  ]);
}

/** How often to look at the files. A kubelet takes a minute to write a new secret. */
const EVERY_MS = 2000;

/** Where a file is, and when it changed: a secret that Kubernetes mounts changes by a link above it. */
const stateOf = (path: string, { ino, size, mtimeMs }: Stats) => [path, ino, size, mtimeMs].join();

const NONE = 'none';

/**
 * Calls `changed` once a file differs from what was read. It polls, because inotify reports no change on network file
 * systems, and a link only in its own folder. It waits until two looks see the same, so that no half-written file is
 * read.
 */
export function watchFiles(changed: () => void) {
  const read = new Map<string, string>();
  let last = '';

  async function look(): Promise<void> {
    const states = await Promise.all(
      [...read.keys()].map(async (path) => {
        const now = Promise.all([realpath(path), stat(path)]).then((found) => stateOf(...found));
        return [path, await now.catch(() => NONE)] as const;
      }),
    );
    const seen = JSON.stringify(states);
    const isStable = seen === last;
    last = seen;
    if (!isStable || states.every(([path, state]) => (read.get(path) ?? state) === state)) return;
    // A file that is invalid is reported once.
    for (const [path, state] of states) if (read.has(path)) read.set(path, state);
    changed();
  }

  async function repeat(): Promise<void> {
    await look();
    setTimeout(repeat, EVERY_MS).unref();
  }

  return {
    /** Call this before all files are read again. The result also watches the earlier ones, if this fails. */
    clear(): () => void {
      const before = [...read];
      read.clear();
      return () => {
        for (const [path, state] of before) if (!read.has(path)) read.set(path, state);
      };
    },
    /** Call this before a file is read. */
    add(path: string): void {
      try {
        read.set(path, stateOf(realpathSync(path), statSync(path)));
      } catch {
        read.set(path, NONE);
      }
    },
    start: () => void repeat(),
  };
}
