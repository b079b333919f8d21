import { type ConfigErrors, suggest } from './errors.ts';
import { API_VARIABLES, CONFIG_VARIABLE, FILE_ONLY, SETTINGS, variableOf } from './settings.ts';
import { redact } from './shown.ts';
import type { SourcedValue, SourcedValues } from './source.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What Kubernetes injects into every pod for a service whose name begins with `postern`, and Docker
 * for a link of that name. `POSTERN_PORT` then holds a URL; a plain number is a mistake.
 */
const INJECTED = /^POSTERN_(\w+_)?(SERVICE_\w+|PORT_\w+)$/;
const INJECTED_URL = /^POSTERN_(\w+_)?PORT$/;

/** The settings in the environment. An empty variable counts as unset: compose files create such. */
export function readEnvironment(env: Environment, errors: ConfigErrors): SourcedValues {
  const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf)];
  for (const [field, value] of Object.entries(env)) {
    if (!field.startsWith('POSTERN_') || !value || known.includes(field)) continue;
    if (INJECTED.test(field) || (INJECTED_URL.test(field) && value.includes('://'))) continue;
    // Without the value: it may be a secret.
    errors.add({ field }, unknownVariable(field, known));
  }
  const entries = SETTINGS.flatMap((setting) => {
    const sourced = variable(env, variableOf(setting), setting);
    return sourced ? [[setting, sourced] as const] : [];
  });
  return new Map(entries);
}

function unknownVariable(field: string, known: readonly string[]): string {
  const inFile = FILE_ONLY.find((setting) => variableOf(setting) === field);
  if (inFile !== undefined) {
    return `no such variable: set ${inFile} in the file that ${CONFIG_VARIABLE} names`;
  }
  const suggestion = suggest(field, known);
  if (API_VARIABLES.includes(field)) {
    return (
      'no value: only postern token and postern doctor use this variable, ' +
      `so unset it for the service${suggestion}`
    );
  }
  return `the name of a setting${suggestion || `: ${known.join(', ')}`}`;
}

/** The path of the configuration file, if it is set. */
export function configFile(env: Environment): SourcedValue | undefined {
  return variable(env, CONFIG_VARIABLE, 'config');
}

function variable(env: Environment, field: string, setting: string): SourcedValue | undefined {
  const value = env[field];
  return value ? { field, value, shown: redact(setting, value) } : undefined;
}
