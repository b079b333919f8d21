import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import {
  API_VARIABLES,
  CONFIG_VARIABLE,
  FILE_ONLY,
  SETTINGS,
  type Settings,
  variableOf,
} from './names.ts';
import { didYouMean } from './near.ts';
import { shown } from './shown.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What Kubernetes injects into every pod for a service whose name begins with `postern`, and Docker
 * for a link of that name. `POSTERN_PORT` holds a URL then; a mere number is someone's mistake.
 */
const INJECTED = /^POSTERN_(\w+_)?(SERVICE_\w+|PORT_\w+)$/;
const INJECTED_URL = /^POSTERN_(\w+_)?PORT$/;

/** The settings in the environment. An empty variable counts as unset: compose files make such. */
export function readEnvironment(env: Environment, faults: Faults): Settings {
  const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf)];
  for (const [field, value] of Object.entries(env)) {
    if (!field.startsWith('POSTERN_') || !value || known.includes(field)) continue;
    if (INJECTED.test(field) || (INJECTED_URL.test(field) && value.includes('://'))) continue;
    const inFile = FILE_ONLY.find((setting) => variableOf(setting) === field);
    if (inFile !== undefined) {
      const expected = `no such variable: ${inFile} can only be set in the file that ${CONFIG_VARIABLE} names`;
      faults.add({ field }, expected);
      continue;
    }
    // Without the value: whatever is meant may be a secret.
    if (API_VARIABLES.includes(field)) {
      const expected = `no such variable here: it is for postern token and postern doctor, so unset it for the service${didYouMean(field, known)}`;
      faults.add({ field }, expected);
      continue;
    }
    const hint = didYouMean(field, known) || `; there are ${known.join(', ')}`;
    faults.add({ field }, `a variable that Postern knows${hint}`);
  }
  const settings = new Map<string, Given>();
  for (const setting of SETTINGS) {
    const given = variable(env, variableOf(setting), setting);
    if (given !== undefined) settings.set(setting, given);
  }
  return settings;
}

/** The variable that names the file, if it is set. */
export function configFile(env: Environment): Given | undefined {
  return variable(env, CONFIG_VARIABLE, 'config');
}

function variable(env: Environment, field: string, setting: string): Given | undefined {
  const value = env[field];
  if (!value) return undefined;
  const display = shown(setting, value);
  return { field, value, ...(display !== undefined && { shown: display }) };
}
