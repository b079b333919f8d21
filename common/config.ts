import { readFileSync } from 'node:fs';
import { type Config, loadConfig } from '../service/config/config.ts';
import { configFile, type Environment } from '../service/config/environment.ts';
import { ConfigError, ConfigErrors, quote } from '../service/config/errors.ts';
import { readConfigFile } from '../service/config/file.ts';
import { readMounts } from '../service/config/mounts.ts';
import { API_VARIABLES } from '../service/config/settings.ts';
import type { SourcedValue } from '../service/config/source.ts';
import type { Mount } from '../service/site/mount.ts';
import { UsageError } from './errors.ts';

/** The environment without variables that are only for commands. The service rejects them. */
export function serviceEnvironment(env: Environment): Environment {
  const entries = Object.entries(env).filter(([name]) => !API_VARIABLES.includes(name));
  return Object.fromEntries(entries);
}

/** Reads and checks the whole configuration. Commands reject a configuration with which Postern would not start. */
export function serviceConfig(env: Environment): Config {
  try {
    // As on a terminal: no command needs the service to have an API key.
    return loadConfig(serviceEnvironment(env), readText, { onTerminal: true });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/**
 * The mounts of `--mounts`, POSTERN_MOUNTS, or the file POSTERN_CONFIG, in this order. Undefined if none of
 * them is set.
 */
export function resolveMounts(
  option: string | undefined,
  env: Environment,
): readonly Mount[] | undefined {
  return withErrors('the mounts cannot be read', (errors) => {
    const text = option
      ? given('--mounts', option)
      : env.POSTERN_MOUNTS && given('POSTERN_MOUNTS', env.POSTERN_MOUNTS);
    const file = configFile(env);
    const mounts = text || (file && readConfigFile(file, readText, errors)?.get('mounts'));
    return mounts && readMounts(mounts, NO_SECRETS, errors);
  });
}

/** Placeholders: commands need only the prefixes, and this user may not read the credentials of an object store. */
const NO_SECRETS = {
  env: { AWS_ACCESS_KEY_ID: '-', AWS_SECRET_ACCESS_KEY: '-' },
  readFile: () => '-',
};

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

export function given(option: string, value: string): SourcedValue {
  return { field: option, value, shown: quote(value) };
}

/** Runs a reader that collects errors, and then reports all of them. */
export function withErrors<T>(headline: string, read: (errors: ConfigErrors) => T): T {
  const errors = new ConfigErrors();
  const result = read(errors);
  if (errors.count === 0) return result;
  throw new UsageError(`${headline}:\n\n${errors.text}\n`);
}

/** For an address that listens on each interface, an address to connect to. */
export const REACHABLE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
