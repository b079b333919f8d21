import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Mount } from '../domain/mount.ts';
import { diskFiles } from './nginx-config/disk.ts';
import { load } from './nginx-config/load.ts';
import { report, reportJson } from './nginx-config/report.ts';
import { findTraps } from './nginx-config/rules.ts';
import { httpOf } from './nginx-config/scope.ts';
import { siteOf } from './nginx-config/site.ts';
import { dumpedFiles } from './nginx-config/sources.ts';

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

/**
 * Looks for the traps of docs/nginx.md in a configuration.
 *
 * @param name of a file, `-` being standard input: what `nginx -T` has printed, or a nginx.conf
 * @throws Unreadable, or as `node:fs` does
 */
export function diagnoseConfig(name: string, { mounts, json }: DoctorOptions): Diagnosis {
  const text = readFileSync(name === '-' ? STDIN : name, 'utf8');
  const sources = dumpedFiles(text) ?? diskFiles(resolve(name), text);
  const { root, files } = load(sources);
  const site = siteOf(httpOf(root, sources.main), mounts);
  const found = findTraps(site);
  return { ok: found.length === 0, text: (json ? reportJson : report)(found, site, files) };
}
