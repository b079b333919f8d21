import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { configFile } from '../../../service/config/environment.ts';
import { ConfigErrors, quote } from '../../../service/config/errors.ts';
import { readConfigFile } from '../../../service/config/file.ts';
import { readMounts } from '../../../service/config/mounts.ts';
import type { SourcedValue } from '../../../service/config/source.ts';
import type { Mount } from '../../../service/domain/mount.ts';
import { type Environment, WrongUsage } from '../../failure.ts';
import { Unreadable } from './directive.ts';
import { diskFiles, dumpedFiles, type Loaded, load, type Sources } from './load.ts';
import { findTraps, plain, report, reportJson } from './rules.ts';
import { httpOf } from './scope.ts';
import { siteOf } from './site.ts';

export interface DoctorOptions {
  /** Absent: not known, and not compared. */
  readonly mounts?: readonly Mount[];
  readonly json?: boolean;
}

export interface Diagnosis {
  readonly ok: boolean;
  readonly text: string;
}

const STDIN = 0;

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EAGAIN: 'standard input is empty',
};

/**
 * Looks for the traps of docs/nginx-traps.md in a configuration.
 *
 * @param name of a file, `-` being standard input: what `nginx -T` has printed, or a nginx.conf
 * @throws WrongUsage where it cannot be read as a configuration, with file and line
 */
export function diagnoseConfig(name: string, options: DoctorOptions): Diagnosis {
  return diagnoseText(read(name), name, options);
}

/** The same for a text that is read already. */
export function diagnoseText(text: string, name: string, options: DoctorOptions): Diagnosis {
  // `nginx -T` writes nothing to standard output where it fails.
  if (text.trim() === '')
    throw new WrongUsage(`${isStdin(name) ? 'standard input' : name} is empty`);
  const main = isStdin(name) ? name : resolve(name);
  const sources = dumpedFiles(text) ?? diskFiles(main, text);
  const { root, files } = loaded(sources);
  const site = siteOf(httpOf(root, sources.main), options.mounts);
  const found = findTraps(site);
  const write = options.json ? reportJson : report;
  return { ok: found.length === 0, text: write(found, site, files) };
}

function isStdin(name: string): boolean {
  return name === '-';
}

function read(name: string): string {
  try {
    return readFileSync(isStdin(name) ? STDIN : name, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new WrongUsage(`${name} cannot be read: ${WHY[code ?? ''] ?? code}`, { cause: error });
  }
}

function loaded(sources: Sources): Loaded {
  try {
    return load(sources);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new WrongUsage(plain(error.message), { cause: error });
  }
}

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
  const faults = new ConfigErrors();
  const given =
    asText('--mounts', option) ??
    asText('POSTERN_MOUNTS', env.POSTERN_MOUNTS) ??
    inFile(env, faults);
  const mounts = given && readMounts(given, faults);
  if (faults.count === 0) return mounts;
  throw new WrongUsage(`the mounts cannot be read:\n\n${faults.text}\n`);
}

function asText(field: string, value: string | undefined): SourcedValue | undefined {
  return value ? { field, value, shown: quote(value) } : undefined;
}

function inFile(env: Environment, faults: ConfigErrors): SourcedValue | undefined {
  const file = configFile(env);
  if (file === undefined) return undefined;
  return readConfigFile(file, (path) => readFileSync(path, 'utf8'), faults)?.get('mounts');
}
