import { readFileSync } from 'node:fs';
import type { Listen } from '../service/address.ts';
import { type Config, loadConfig, loadMounts } from '../service/config/config.ts';
import { ConfigError, ConfigErrors, issuesText, quote } from '../service/config/errors.ts';
import { API_VARIABLES } from '../service/config/settings.ts';
import { readSources } from '../service/config/sources.ts';
import { listenAddress } from '../service/config/values.ts';
import { UsageError } from './errors.ts';
import { root } from './package.ts';

/** Where the Debian package is, and the configuration of its units, whose variables only systemd knows. */
const PACKAGED = { root: '/usr/share/postern', config: '/etc/postern/postern.yaml' };

/** The environment. Without any setting, the command of the Debian package reads the configuration of the package. */
export function serviceEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSet = Object.entries(env).some(
    ([name, value]) => name.startsWith('POSTERN_') && value && !API_VARIABLES.includes(name),
  );
  return root === PACKAGED.root && !isSet ? { ...env, POSTERN_CONFIG: PACKAGED.config } : env;
}

/** Reads and checks the whole configuration. Commands reject a configuration with which Postern would not start. */
export function serviceConfig(env: NodeJS.ProcessEnv): Config {
  try {
    // This is as on a terminal: no command needs the service to have an API key.
    return loadConfig(serviceEnvironment(env), textOfFile, { onTerminal: true });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** The mounts of `--mounts`, POSTERN_MOUNTS, or the file POSTERN_CONFIG, in this order. Undefined if none is set. */
export function resolveMounts(option: string | undefined, env: NodeJS.ProcessEnv) {
  const file = { POSTERN_CONFIG: env.POSTERN_CONFIG };
  const mounts = option ?? env.POSTERN_MOUNTS;
  return withErrors(`${option ? '--mounts' : 'the mounts'} cannot be read`, (errors) =>
    loadMounts(mounts ? { POSTERN_MOUNTS: mounts } : file, textOfFile, errors),
  );
}

/** The addresses of the gate and the API, if the environment or the file POSTERN_CONFIG has them. */
export function resolveListens(all: NodeJS.ProcessEnv) {
  const { POSTERN_CONFIG, POSTERN_LISTEN, POSTERN_API_LISTEN } = all;
  const env = { POSTERN_CONFIG, POSTERN_LISTEN, POSTERN_API_LISTEN };
  return withErrors('the addresses cannot be read', (errors) => {
    const { values } = readSources({ env, readFile: textOfFile }, errors);
    const read = (value: unknown) => listenAddress.safeParse(value).data;
    return { listen: read(values.listen), apiListen: read(values.api_listen) };
  });
}

export function textOfFile(path: string): string {
  return readFileSync(path, 'utf8');
}

export type Given = ReturnType<typeof given>;

/** The value of an option. */
export function given(option: string, value: string) {
  return { field: option, value, shown: quote(value) };
}

/** Runs a reader that collects errors, and then reports all of them. */
export function withErrors<T>(headline: string, read: (errors: ConfigErrors) => T): T {
  const errors = new ConfigErrors();
  const result = read(errors);
  if (errors.issues.length === 0) return result;
  throw new UsageError(`${headline}:\n\n${issuesText(errors.issues)}\n`);
}

/** The address of a listener, for clients on this machine. */
export function addressOf(listen: Listen): string {
  if ('path' in listen) return `unix:${listen.path}`;
  const host = REACHABLE[listen.host] ?? listen.host;
  return `${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}

/** For an address that listens on each interface, an address to connect to. */
export const REACHABLE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
