import type { Logger } from 'pino';
import type { App } from './app.ts';
import { changesBetween, type Files } from './config/changes.ts';
import type { Config } from './config/config.ts';
import { ConfigError } from './config/errors.ts';
import { KeyFilesError } from './jwt/open.ts';

/** A configuration, and the gate and the API that it makes. */
export interface Opened {
  readonly config: Config;
  /** The key files that were read. */
  readonly files: Files;
  readonly app: App;
}

interface ReloadDependencies {
  /** Reads and checks the whole configuration. */
  readonly open: () => Promise<Opened>;
  readonly log: Logger;
  readonly recordReload: (isSuccessful: boolean) => void;
}

/** The app in force. A reload replaces it by one assignment, so that no request sees a mixture. */
export function createCurrent(started: Opened, { open, log, recordReload }: ReloadDependencies) {
  let current = started;
  return {
    get app() {
      return current.app;
    },
    get config() {
      return current.config;
    },
    /** Keeps the app in force if the configuration is invalid. Never rejects. */
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
          'the configuration was not reloaded: the previous one stays in force',
        );
      }
    },
  };

  function logReload(before: Opened): void {
    const { config, files } = current;
    const { made } = changesBetween(before.config, config, [before.files, files]);
    // Also if only one of the two levels shows the line.
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

/** What is wrong with a configuration: all of it, without secrets. */
function problemsOf(error: unknown): object {
  if (error instanceof ConfigError) return { errors: error.issues };
  if (error instanceof KeyFilesError) return { errors: error.problems };
  return { err: error };
}
