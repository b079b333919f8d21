import type { Environment } from '../environment.ts';
import { WrongUsage } from '../failure.ts';
import { ownConfig } from '../own-config.ts';
import { plain } from '../plain.ts';
import { filesOf, textOf } from './files.ts';
import { withFaults } from './given.ts';
import { notesOn } from './notes.ts';
import { commandLine, type NginxOptions } from './options.ts';
import { type Plan, planOf } from './plan.ts';
import { writeFiles } from './write.ts';

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
