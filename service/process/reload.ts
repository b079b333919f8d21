import type { Logger } from 'pino';
import { coalesce } from '../coalesce.ts';
import { changesBetween, type Files } from '../config/changes.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/errors.ts';
import { KeyFilesError } from '../jwt/jwt.ts';

/**
 * Calls `reload` after each SIGHUP or request, one call at a time. Those before `start` or during a call cause one
 * more, so that the last state of the files counts. Without a handler the signal would end the process.
 */
export function watchHangup(process: NodeJS.Process) {
  let reload: (() => Promise<void>) | undefined;
  let isRequested = false;
  const run = coalesce(async () => {
    if (!isRequested || reload === undefined) return;
    isRequested = false;
    await reload();
  });
  function request(): void {
    isRequested = true;
    void run();
  }
  process.on('SIGHUP', request);
  return {
    request,
    start(newReload: () => Promise<void>): void {
      reload = newReload;
      void run();
    },
    /** Further signals have no effect. */
    stop(): void {
      reload = undefined;
    },
  };
}

/** A configuration. What was opened with it, such as the app, is replaced with it. */
export interface Opened {
  readonly config: Config;
  /** The key files that were read. */
  readonly files: Files;
}

interface ReloadDependencies<O extends Opened> {
  readonly open: () => Promise<O>;
  readonly log: Logger;
  readonly recordReload: (isSuccessful: boolean) => void;
}

/** What is open now. A reload replaces it in one assignment, so that no request uses parts of both. */
export function createCurrent<O extends Opened>(
  started: O,
  { open, log, recordReload }: ReloadDependencies<O>,
) {
  let current = started;

  /** Keeps what is open if the new configuration is invalid. Never rejects. */
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
      log.warn({ settings: needRestart }, 'restart Postern to apply these settings');
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
