import { resolve } from 'node:path';
import type { Config } from '../../service/config/config.ts';
import type { Environment } from '../../service/config/environment.ts';
import { serviceConfig, withErrors } from '../config.ts';
import { UsageError } from '../errors.ts';
import { flagOf } from '../options.ts';
import { escapeControls } from '../terminal.ts';
import { renderFiles, renderText, writeFiles } from './files.ts';
import { DEFAULTS, type NginxOptions, type Plan, planOf } from './plan.ts';
import { isPath } from './values.ts';

interface Output {
  readonly out?: string | undefined;
  readonly force?: true | undefined;
  readonly json?: true | undefined;
}

/**
 * Generates the nginx configuration of the mounts. Returns the text to print, and notes.
 *
 * @param given the options given on the command line, without defaults
 * @throws Failure
 */
export async function makeNginx(
  given: Partial<NginxOptions>,
  output: Output,
  env: Environment,
): Promise<{ readonly text: string; readonly notes: readonly string[] }> {
  if (output.force && output.out === undefined) {
    throw new UsageError('--force requires --out <folder>');
  }
  const options = { ...DEFAULTS, ...given };
  const config = serviceConfig(env);
  if (given.pages !== undefined && output.out === undefined && !output.json) {
    throw new UsageError('--pages requires --out <folder> or --json');
  }
  const planned = withErrors('no files were written', (errors) => planOf(options, config, errors));
  const folder = output.out === undefined ? undefined : resolve(output.out);
  const plan = { ...planned, ...(folder !== undefined && isPath(folder) && { folder }) };
  const text = await emit(plan, commandLine(given), output);
  const notes = notesOn(plan, options, config);
  if (folder !== undefined && plan.folder !== folder) {
    notes.push(
      `nginx cannot read a path such as ${escapeControls(folder)}: change the alias in postern/auth-request.conf`,
    );
  }
  return { text, notes };
}

async function emit(plan: Plan, line: string, { out, force, json }: Output): Promise<string> {
  if (out === undefined) {
    if (!json) return renderText(plan, line);
    return `${JSON.stringify({ files: Object.fromEntries(renderFiles(plan, line)) })}\n`;
  }
  const done = await writeFiles(out, renderFiles(plan, line), force === true);
  if (json) return `${JSON.stringify(done)}\n`;
  const lines = [
    ...done.written.map((path) => `wrote ${escapeControls(path)}`),
    ...done.unchanged.map((path) => `${escapeControls(path)} is unchanged`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Options that are valid but probably do not do what the operator expects. */
function notesOn(
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

/** The command line that was given, quoted for a shell. */
export function commandLine(given: Partial<NginxOptions>): string {
  const words = ['postern', 'nginx'];
  for (const [name, value] of Object.entries(given)) {
    if (value === true) words.push(flagOf(name));
    else for (const one of [value].flat()) words.push(flagOf(name), shellWord(String(one)));
  }
  return words.join(' ');
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@,+~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
