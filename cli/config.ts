import { readFileSync } from 'node:fs';
import { configFile, type Environment } from '../service/config/environment.ts';
import { Faults } from '../service/config/fault.ts';
import { readSettings } from '../service/config/file.ts';
import type { Given } from '../service/config/given.ts';
import { readMounts } from '../service/config/mounts.ts';
import { API_VARIABLES } from '../service/config/names.ts';
import { block } from '../service/config/report.ts';
import { quote } from '../service/config/shown.ts';
import { type Config, ConfigError, loadConfig } from '../service/config.ts';
import type { Mount } from '../service/domain/mount.ts';
import { UsageError } from './errors.ts';

/**
 * The whole configuration, so that no command works with one that Postern would not start with.
 *
 * @throws UsageError
 */
export function serviceConfig(env: Environment): Config {
  const own = Object.fromEntries(
    Object.entries(env).filter(([name]) => !API_VARIABLES.includes(name)),
  );
  try {
    // As on a terminal: no command needs the service to have an API key.
    return loadConfig(own, readText, { onTerminal: true });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/**
 * The mounts of `--mounts`, POSTERN_MOUNTS, or the file POSTERN_CONFIG, in this order. Undefined if none of
 * them is set.
 *
 * @throws UsageError
 */
export function resolveMounts(
  option: string | undefined,
  env: Environment,
): readonly Mount[] | undefined {
  return withFaults('the mounts cannot be read', (faults) => {
    const text = option
      ? given('--mounts', option)
      : env.POSTERN_MOUNTS && given('POSTERN_MOUNTS', env.POSTERN_MOUNTS);
    const file = configFile(env);
    const mounts = text || (file && readSettings(file, readText, faults)?.get('mounts'));
    return mounts && readMounts(mounts, faults);
  });
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

/** The value of an option, as an error message shows it. */
export function given(option: string, value: string): Given {
  return { field: option, value, shown: quote(value) };
}

/**
 * Runs a reader that collects errors, and then reports all of them.
 *
 * @throws UsageError
 */
export function withFaults<T>(headline: string, read: (faults: Faults) => T): T {
  const faults = new Faults();
  const result = read(faults);
  if (faults.all.length === 0) return result;
  throw new UsageError(`${headline}:\n\n${faults.all.map(block).join('\n\n')}\n`);
}
