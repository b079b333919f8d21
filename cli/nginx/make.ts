import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serviceConfig, withErrors } from '../../common/config.ts';
import { Failure, UsageError } from '../../common/errors.ts';
import { flagOf } from '../../common/options.ts';
import { snippetsFolder } from '../../common/package.ts';
import { escapeControls } from '../../common/terminal.ts';
import { LOCAL_FILE, renderFiles, renderText, withIncluded, writeFiles } from './files.ts';
import { findNginx, type Nginx } from './installed.ts';
import { type NginxOptions, type Output, type Plan, planOf } from './plan.ts';
import { remaining, warnings } from './remaining.ts';

const NOTHING = 'no files were written';
const INVALID = `${NOTHING}, because nginx rejects its configuration:`;
const RESTORED = 'the earlier files were restored, because nginx rejects the new ones:';

/** Generates the nginx configuration of the mounts. Returns the text to print, and notes. @throws Failure */
export async function makeNginx(options: NginxOptions, output: Output, env: NodeJS.ProcessEnv) {
  const { out, force, json } = output;
  checkUsage(options, output);
  if (output.upgrade) return upgrade(resolve(out ?? ''), output, env);
  const config = serviceConfig(env);
  const planned = withErrors(NOTHING, (errors) => planOf(options, config, errors));
  const line = commandLine(options, output, env);
  const notes = notesOn(planned, options, config.publicUrl);
  if (out === undefined) {
    const files = () => JSON.stringify({ files: Object.fromEntries(renderFiles(planned, line)) });
    return { text: json ? `${files()}\n` : renderText(planned, line), notes };
  }
  const folder = resolve(out);
  const nginx = findNginx(folder, env);
  if (nginx && planned.slices !== undefined && !existsSync(planned.slices)) {
    throw new Failure(
      `${NOTHING}: nginx needs the folder ${planned.slices}, which only its user can enter: ` +
        `install -d -m 0700 -o www-data ${planned.slices}`,
    );
  }
  const existing = nginx?.read(INVALID);
  const plan = { ...planned, folder, existing, version: nginx?.version };
  const files = new Map(renderFiles(plan, line));
  if (existsSync(join(folder, LOCAL_FILE))) files.delete(LOCAL_FILE);
  let tested = existing;
  const text = await writeFiles(out, files, { force, json }, () => {
    const names = plan.sites.flatMap((site) => site.names);
    tested = nginx?.read(RESTORED, names);
  });
  const made = { ...plan, existing: tested };
  const left = [...(await warnings(made, env)), ...remaining(made)].map(escapeControls);
  return { text, notes: [...notes, ...left, ...untested(nginx)] };
}

function checkUsage(options: NginxOptions, { out, force, upgrade }: Output): void {
  if (upgrade) {
    const [other] = Object.keys(options);
    if (other !== undefined) throw new UsageError(`${flagOf(other)} has no effect with --upgrade`);
    if (out === undefined) throw new UsageError('--upgrade requires --out <folder>');
  }
  if (force && out === undefined) throw new UsageError('--force requires --out <folder>');
  const [useless] = (['listen', 'tlsCertificate', 'tlsKey'] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (useless !== undefined && !options.server) {
    throw new UsageError(`${flagOf(useless)} works only with --server`);
  }
}

async function upgrade(folder: string, { out = '', json }: Output, env: NodeJS.ProcessEnv) {
  const files = new Map<string, string>();
  const has = (name: string) => existsSync(join(folder, 'postern', name));
  for (const name of readdirSync(snippetsFolder)) {
    if (!name.endsWith('.conf') || !has(name)) continue;
    for (const [file, text] of withIncluded(name)) files.set(file, text);
  }
  if (files.size === 0) throw new Failure(`${out}/postern has no snippets`);
  const nginx = findNginx(folder, env);
  nginx?.read(INVALID);
  const text = await writeFiles(out, files, { force: true, json }, () => nginx?.read(RESTORED));
  return { text, notes: untested(nginx) };
}

function untested(nginx: Nginx | undefined): string[] {
  if (nginx === undefined) return ['the folder has no nginx.conf, so nothing was tested'];
  return nginx.version === undefined ? ['nginx was not found, so run nginx -t'] : [];
}

/** Options that are valid but probably do not do what the operator expects. */
function notesOn({ login, server, sites }: Plan, options: NginxOptions, publicUrl?: string) {
  const notes: string[] = [];
  if (server && sites.some(({ name }) => name === '_')) {
    notes.push(
      'no site is named, so another server block of nginx may answer: pass --server-name files.example',
    );
  }
  if (!options.login?.startsWith('/') && login !== undefined && publicUrl === undefined) {
    notes.push('without POSTERN_PUBLIC_URL the login page receives only the path, not the host');
  }
  return notes;
}

/** Variables that change the files, and contain no secret. */
const RECORDED = ['POSTERN_CONFIG', 'POSTERN_MOUNTS', 'POSTERN_LISTEN', 'POSTERN_PUBLIC_URL'];

/** The command that makes these files, as a line for a shell. */
export function commandLine(given: NginxOptions, { out }: Output, env: NodeJS.ProcessEnv): string {
  const words = RECORDED.flatMap((name) => {
    const value = name === 'POSTERN_CONFIG' && env[name] ? resolve(env[name]) : env[name];
    return value ? `${name}=${shellWord(value)}` : [];
  });
  words.push('postern', 'nginx');
  for (const [name, value] of Object.entries(given)) {
    if (value === true) words.push(flagOf(name));
    else for (const one of [value].flat()) words.push(flagOf(name), shellWord(String(one)));
  }
  if (out !== undefined) words.push('--out', shellWord(resolve(out)), '--force');
  return words.join(' ');
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@,+~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
