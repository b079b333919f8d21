import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Mount } from '../../../service/domain/mount.ts';
import { UsageError } from '../../errors.ts';
import { systemReason } from '../../io.ts';
import { escapeControls } from '../../terminal.ts';
import { httpOf } from './context.ts';
import { Unreadable } from './directive.ts';
import {
  diskFiles,
  dumpedFiles,
  type Loaded,
  load,
  type Sources,
  withoutMessages,
} from './load.ts';
import { findTraps, type ReportedTrap } from './rules.ts';
import { siteOf, snippetOf } from './site.ts';
import { versionIn } from './version.ts';

export interface DoctorOptions {
  /** Undefined: unknown, and not compared. */
  readonly mounts?: readonly Mount[] | undefined;
  readonly json?: boolean | undefined;
}

export interface Diagnosis {
  readonly ok: boolean;
  readonly text: string;
}

const STDIN = 0;

/**
 * Looks for the traps of docs/nginx-traps.md in a configuration.
 *
 * @param name a file with the output of `nginx -VT` or `nginx -T`, or an nginx.conf; `-` is standard input
 * @throws UsageError if it is not a configuration, with file and line
 */
export function diagnoseConfig(name: string, options: DoctorOptions): Diagnosis {
  return diagnoseText(read(name), name, options);
}

function read(name: string): string {
  try {
    return readFileSync(name === '-' ? STDIN : name, 'utf8');
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

export function diagnoseText(printed: string, name: string, options: DoctorOptions): Diagnosis {
  const isStdin = name === '-';
  const { text, error } = withoutMessages(printed);
  // `nginx -T` prints no file if it fails.
  if (text.trim() === '') {
    const why = error === undefined ? 'is empty' : `has only an error of nginx: ${error}`;
    throw new UsageError(escapeControls(`${isStdin ? 'standard input' : name} ${why}`));
  }
  const sources = dumpedFiles(text) ?? diskFiles(isStdin ? name : resolve(name), text);
  const { root, files } = loaded(sources);
  const snippets = files.flatMap((file) => snippetOf(file, sources.read(file) ?? ''));
  const http = httpOf(root, sources.main);
  const site = siteOf(http, options.mounts, { snippets, version: versionIn(printed) });
  const traps = findTraps(site);
  const counts = {
    files: files.length,
    gates: site.gates.length,
    internal_locations: site.internals.length,
  };
  const format = options.json ? formatTrapsJson : formatTraps;
  return { ok: traps.length === 0, text: format(traps, counts) };
}

function loaded(sources: Sources): Loaded {
  try {
    return load(sources);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new UsageError(escapeControls(error.message), { cause: error });
  }
}

type Counts = Readonly<Record<'files' | 'gates' | 'internal_locations', number>>;

function formatTraps(traps: readonly ReportedTrap[], counts: Counts): string {
  const read = [
    count(counts.files, 'file'),
    count(counts.gates, 'gate'),
    count(counts.internal_locations, 'internal location'),
  ].join(', ');
  if (traps.length === 0) return `✓ nothing found (${read})\n`;
  return `${[...traps.map(paragraph), `${count(traps.length, 'finding')} (${read})`].join('\n\n')}\n`;
}

/** The same for programs, on one line. */
function formatTrapsJson(traps: readonly ReportedTrap[], counts: Counts): string {
  const findings = traps.map(({ rule, at: { file, line }, seen, why, fix }) => {
    return { rule, file, line, seen, why, fix };
  });
  return `${JSON.stringify({ findings, ...counts })}\n`;
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
