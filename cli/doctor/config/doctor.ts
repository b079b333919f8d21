import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Mount } from '../../../service/domain/mount.ts';
import { UsageError } from '../../errors.ts';
import { systemReason } from '../../io.ts';
import { escapeControls } from '../../terminal.ts';
import { httpOf } from './context.ts';
import { Unreadable } from './directive.ts';
import { diskFiles, dumpedFiles, type Loaded, load, type Sources } from './load.ts';
import { findTraps, type ReportedTrap } from './rules.ts';
import { type SiteConfig, siteOf } from './site.ts';

export interface DoctorOptions {
  /** Absent: unknown, and not compared. */
  readonly mounts?: readonly Mount[];
  readonly json?: boolean;
}

export interface Diagnosis {
  readonly ok: boolean;
  readonly text: string;
}

const STDIN = 0;

/**
 * Looks for the traps of docs/nginx-traps.md in a configuration.
 *
 * @param name a file with the output of `nginx -T` or an nginx.conf; `-` is standard input
 * @throws UsageError if it is not a configuration, with file and line
 */
export function diagnoseConfig(name: string, options: DoctorOptions): Diagnosis {
  return diagnoseText(read(name), name, options);
}

export function diagnoseText(text: string, name: string, options: DoctorOptions): Diagnosis {
  // `nginx -T` writes nothing to standard output if it fails.
  if (text.trim() === '') {
    throw new UsageError(`${isStdin(name) ? 'standard input' : name} is empty`);
  }
  const main = isStdin(name) ? name : resolve(name);
  const sources = dumpedFiles(text) ?? diskFiles(main, text);
  const { root, files } = loaded(sources);
  const site = siteOf(httpOf(root, sources.main), options.mounts);
  const traps = findTraps(site);
  const format = options.json ? formatTrapsJson : formatTraps;
  return { ok: traps.length === 0, text: format(traps, site, files) };
}

function isStdin(name: string): boolean {
  return name === '-';
}

function read(name: string): string {
  try {
    return readFileSync(isStdin(name) ? STDIN : name, 'utf8');
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

function loaded(sources: Sources): Loaded {
  try {
    return load(sources);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new UsageError(escapeControls(error.message), { cause: error });
  }
}

function formatTraps(
  traps: readonly ReportedTrap[],
  site: SiteConfig,
  files: readonly string[],
): string {
  const read = `${count(files.length, 'file')}, ${count(site.gates.length, 'gate')}, ${count(site.internals.length, 'internal location')}`;
  if (traps.length === 0) return `✓ nothing found (${read})\n`;
  return `${[...traps.map(paragraph), `${count(traps.length, 'finding')} (${read})`].join('\n\n')}\n`;
}

/** The same for programs, on one line. */
function formatTrapsJson(
  traps: readonly ReportedTrap[],
  site: SiteConfig,
  files: readonly string[],
): string {
  const findings = traps.map(({ rule, at: { file, line }, seen, why, fix }) => {
    return { rule, file, line, seen, why, fix };
  });
  const counts = { gates: site.gates.length, internal_locations: site.internals.length };
  return `${JSON.stringify({ findings, files: files.length, ...counts })}\n`;
}

function paragraph({ rule, at, seen, why, fix }: ReportedTrap): string {
  return [
    `✗ ${escapeControls(`${at.file}:${at.line}`)}  ${escapeControls(seen)}  [${rule}]`,
    `    why:  ${escapeControls(why)}`,
    `    fix:  ${escapeControls(fix)}`,
  ].join('\n');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
