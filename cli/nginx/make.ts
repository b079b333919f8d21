import type { Config } from '../../service/config/config.ts';
import { type Environment, WrongUsage } from '../failure.ts';
import { ownConfig } from '../own-config.ts';
import { plain } from '../terminal.ts';
import { filesOf, textOf, writeFiles } from './files.ts';
import { commandLine, type NginxOptions } from './options.ts';
import { type Plan, planOf } from './plan.ts';
import { withFaults } from './values.ts';

interface Where {
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
}

export interface Made {
  /** To print. */
  readonly text: string;
  readonly notes: readonly string[];
}

/**
 * Makes nginx's configuration of the mounts.
 *
 * @param said the options given on the command line, without defaults
 * @throws Failure
 */
export async function makeNginx(
  options: NginxOptions,
  said: Partial<NginxOptions>,
  where: Where,
  env: Environment,
): Promise<Made> {
  if (where.force && where.out === undefined)
    throw new WrongUsage('--force requires --out <folder>');
  const config = ownConfig(env);
  const plan: Plan = withFaults((faults) => planOf(options, config, faults));
  const line = commandLine(said);
  return { text: await put(plan, line, where), notes: notesOn(plan, options, config) };
}

async function put(plan: Plan, line: string, { out, force, json }: Where): Promise<string> {
  if (out === undefined) {
    if (!json) return textOf(plan, line);
    return `${JSON.stringify({ files: Object.fromEntries(filesOf(plan, line)) })}\n`;
  }
  const done = await writeFiles(out, filesOf(plan, line), force === true);
  if (json) return `${JSON.stringify(done)}\n`;
  const lines = [
    ...done.written.map((path) => `wrote ${plain(path)}`),
    ...done.unchanged.map((path) => `${plain(path)} is unchanged`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Options that are valid but probably do not do what the operator expects. */
export function notesOn(
  { cache, login, sites, xAccel }: Plan,
  options: NginxOptions,
  { decisionTtl, publicUrl }: Pick<Config, 'decisionTtl' | 'publicUrl'>,
): string[] {
  const notes: string[] = [];
  if (sites.some(({ name }) => name === '_')) {
    notes.push(
      'no site is named, so another server block of nginx may answer: pass --server-name files.example',
    );
  }
  if (xAccel && (cache || login !== undefined)) {
    notes.push('--cache and --login have no effect with --x-accel');
  } else if (cache && decisionTtl === 0) {
    notes.push('--cache has no effect while POSTERN_DECISION_TTL is 0');
  }
  if (!options.login?.startsWith('/') && login !== undefined && publicUrl === undefined) {
    notes.push('without POSTERN_PUBLIC_URL the login page receives only the path, not the host');
  }
  return notes;
}
