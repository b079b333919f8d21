import { readFileSync } from 'node:fs';
import { configFile, type Environment } from '../service/config/environment.ts';
import { Faults } from '../service/config/fault.ts';
import { readSettings } from '../service/config/file.ts';
import type { Given } from '../service/config/given.ts';
import { readMounts } from '../service/config/mounts.ts';
import { block } from '../service/config/report.ts';
import { quote } from '../service/config/shown.ts';
import type { Mount } from '../service/domain/mount.ts';
import { WrongUsage } from './failure.ts';

/**
 * The mounts of `--mounts`, POSTERN_MOUNTS, or the file POSTERN_CONFIG, in this order. Undefined if none of
 * them is set.
 *
 * @throws WrongUsage
 */
export function toldMounts(
  option: string | undefined,
  env: Environment,
): readonly Mount[] | undefined {
  const faults = new Faults();
  const given =
    asText('--mounts', option) ??
    asText('POSTERN_MOUNTS', env.POSTERN_MOUNTS) ??
    inFile(env, faults);
  const mounts = given && readMounts(given, faults);
  if (faults.all.length === 0) return mounts;
  throw new WrongUsage(`the mounts cannot be read:\n\n${faults.all.map(block).join('\n\n')}\n`);
}

function asText(field: string, value: string | undefined): Given | undefined {
  return value ? { field, value, shown: quote(value) } : undefined;
}

function inFile(env: Environment, faults: Faults): Given | undefined {
  const file = configFile(env);
  if (file === undefined) return undefined;
  return readSettings(file, (path) => readFileSync(path, 'utf8'), faults)?.get('mounts');
}
