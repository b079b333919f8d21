import { configFile, type Environment } from '../config/environment.ts';
import { Faults } from '../config/fault.ts';
import { readSettings } from '../config/file.ts';
import type { Given } from '../config/given.ts';
import { readMounts } from '../config/mounts.ts';
import { shown } from '../config/shown.ts';
import type { Mount } from '../domain/mount.ts';
import { Failure } from './failure.ts';

/**
 * The mounts that a command is told, or that Postern would be: by `--mounts`, POSTERN_MOUNTS, or the
 * file of POSTERN_CONFIG. Undefined where nobody tells.
 *
 * @param readFile gives a file's text, or throws as `node:fs` does
 * @throws Failure
 */
export function toldMounts(
  option: string | undefined,
  env: Environment,
  readFile: (path: string) => string,
): readonly Mount[] | undefined {
  const faults = new Faults();
  const given =
    fromText('--mounts', option) ??
    fromText('POSTERN_MOUNTS', env.POSTERN_MOUNTS) ??
    fromFile(env, readFile, faults);
  const mounts = given && readMounts(given, faults);
  const [fault] = faults.all;
  if (fault === undefined) return mounts;
  const { field, where, value, expected } = fault;
  const place = where === undefined ? field : `${field} (${where})`;
  throw new Failure(`${place}${value === undefined ? '' : ` is ${value}`}: expected ${expected}`);
}

function fromText(field: string, value: string | undefined): Given | undefined {
  if (!value) return undefined;
  return { field, value, shown: shown('mounts', value) ?? '' };
}

function fromFile(
  env: Environment,
  readFile: (path: string) => string,
  faults: Faults,
): Given | undefined {
  const file = configFile(env);
  return file && readSettings(file, readFile, faults)?.get('mounts');
}
