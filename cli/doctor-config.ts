import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Mount } from '../service/domain/mount.ts';
import { WrongUsage } from './failure.ts';
import { diskFiles } from './nginx-config/disk.ts';
import { type Loaded, load } from './nginx-config/load.ts';
import { plain, report, reportJson } from './nginx-config/report.ts';
import { findTraps } from './nginx-config/rules.ts';
import { httpOf } from './nginx-config/scope.ts';
import { siteOf } from './nginx-config/site.ts';
import { dumpedFiles, type Sources } from './nginx-config/sources.ts';
import { Unreadable } from './nginx-config/unreadable.ts';

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
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not',
  EAGAIN: 'nothing comes from standard input',
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
