import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished } from 'vitest';
import { renderFiles } from '../../../cli/nginx/files.ts';
import { type NginxOptions, planOf } from '../../../cli/nginx/plan.ts';
import { withErrors } from '../../../common/config.ts';
import type { Directive } from '../../../doctor/config/context.ts';
import { parse } from '../../../doctor/config/parse.ts';
import type { Mount } from '../../../service/paths/mount.ts';
import { testNginx } from '../../harness/nginx.ts';
import { type ConfigContext, completeConfig, nginxFolder } from '../../harness/nginx-conf.ts';
import { temporaryFolder } from '../../harness/paths.ts';
import { findTool } from '../../harness/tools.ts';
import { writeFiles } from '../files.ts';
import { mount } from '../postern.ts';
import { type Ended, postern, posternHere } from './postern.ts';

export const SITE = 'postern/sites/files.example.conf';
export const WORDS = ['--files', '/srv/files', '--server-name', 'files.example,www.files.example'];

export const FILES = ['--files', '/srv/files'];
export const USUAL = { POSTERN_MOUNTS: '/download/=/protected/' };

export type Env = Readonly<Record<string, string>>;

/** `postern nginx` in a new folder for each test. */
export function inFolder() {
  let folder = '';
  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const run = (words: readonly string[], env: Env = USUAL) =>
    posternHere(['nginx', ...words], folder, { env });
  return {
    at: (...names: string[]) => join(folder, ...names),
    run,
    async done(words: readonly string[], env?: Env): Promise<string> {
      const { code, stdout, stderr } = await run(words, env);
      const trouble = stderr.replace(/^postern: note: .*\n/gm, '');
      expect({ code, trouble }, words.join(' ')).toEqual({ code: 0, trouble: '' });
      return stdout;
    },
    async refused(words: readonly string[], env?: Env): Promise<string> {
      const { code, stdout, stderr } = await run(words, env);
      expect({ code, stdout }, words.join(' ')).toEqual({ code: 2, stdout: '' });
      return stderr;
    },
  };
}

/** A folder such as /etc/nginx, with the folder of the files, and a program `nginx` that uses its log files. */
export async function machine(sites: string, settings: Env = USUAL) {
  const nginx = await findTool('nginx');
  const folder = await nginxFolder();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await rm(join(folder, 'postern'), { recursive: true });
  const write = (name: string, text: string) => writeFiles(folder, { [name]: text });
  const includes = 'include conf.d/*.conf;\ninclude sites-enabled/*;';
  await write('nginx.conf', completeConfig(includes, folder));
  const shop = sites.replaceAll(/(unix:|log )(\w+\.)/g, `$1${folder}/$2`);
  await write('sites-enabled/shop', shop.replaceAll('$folder', folder));
  for (const name of ['files', 'nginx'])
    await mkdir(join(folder, 'srv', name), { recursive: true });
  await program(join(folder, 'bin', 'nginx'), `exec '${nginx.path}' -e '${folder}/error.log' "$@"`);
  const env = { ...nginx.env, ...settings };
  return {
    folder,
    write,
    read: (name: string) => readFile(join(folder, name), 'utf8'),
    // `srv` has a folder with the name of the program.
    run: (words: readonly string[], path = `${folder}/srv:${folder}/bin:${process.env.PATH}`) => {
      const here = words.map((word) => word.replace(/^\/srv\//, `${folder}/srv/`));
      return postern(['nginx', '--out', folder, ...here], folder, { env: { ...env, PATH: path } });
    },
  };
}

export async function program(path: string, script: string): Promise<void> {
  await writeFiles(dirname(path), { [basename(path)]: `#!/bin/sh\n${script}\n` });
  // The doctor of root starts it as nobody.
  for (const one of [dirname(path), path]) await chmod(one, 0o755);
}

/** The names and contents of all files below a folder. */
export async function snapshot(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile() && !/\.log$|pid$/.test(entry.name));
  const texts = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path, await readFile(path, 'utf8')] as const;
  });
  return Object.fromEntries((await Promise.all(texts)).sort());
}

export const notes = ({ stderr }: Ended) =>
  [...stderr.matchAll(/^postern: note: (.*)$/gm)].map(([, note = '']) => note);

export const MOUNTS: readonly Mount[] = [mount('/download/', '/protected/')];

const LISTEN = { path: '/run/postern/gate.sock' };

/** What `postern nginx --out` writes. */
export function written(
  options: Partial<NginxOptions>,
  mounts = MOUNTS,
  line = 'postern nginx',
): ReadonlyMap<string, string> {
  const asked: NginxOptions = { files: ['/srv/files'], server: true, ...options };
  const plan = withErrors('no files were written', (errors) =>
    planOf(asked, { mounts, listen: LISTEN }, errors),
  );
  return renderFiles(plan, line);
}

/** The generated files as the content of one http block: each site in place of its include. */
export function printed(...given: Parameters<typeof written>): string {
  return inlined(written(...given));
}

export function inlined(files: ReadonlyMap<string, string>): string {
  const text = [...files].flatMap(([name, one]) => (name.startsWith('conf.d/') ? one : []));
  return text
    .join('\n')
    .replace(/include "?(postern\/sites\/[^";]+)"?;/g, (_, name) => files.get(name) ?? '');
}

/** A configuration with paths and ports that are free here. */
export function here(text: string, { port, dir }: ConfigContext): string {
  return text
    .replaceAll(/listen (80|127\.0\.0\.1:8080);/g, `listen 127.0.0.1:${port};`)
    .replaceAll('/tmp/site.sock', `${dir}/site.sock`)
    .replaceAll('/var/log/nginx/access.log', `${dir}/site.log`)
    .replaceAll('/run/nginx-slices', dir)
    .replaceAll('proxy_cache_path /run/', `proxy_cache_path ${dir}/`);
}

/** The generated files in the folder of a test's nginx: for `config` of startNginx. */
export function placed(
  files: Iterable<readonly [name: string, text: string]>,
  context: ConfigContext,
): string {
  for (const [name, text] of files) {
    mkdirSync(join(context.dir, dirname(name)), { recursive: true });
    writeFileSync(join(context.dir, name), here(text, context));
  }
  return 'include conf.d/*.conf;';
}

/** Fails unless nginx accepts a configuration without a warning. */
export async function passes(text: string): Promise<void> {
  const { ok, output } = await testNginx((context) => here(text, context));
  expect(output).not.toMatch(/\[(warn|emerg|crit|error)\]/);
  expect(ok, text).toBe(true);
}

/** A directive, with the directives of its block. */
export interface Parsed {
  readonly words: readonly string[];
  readonly block?: readonly Parsed[];
}

/** A configuration as nginx reads it: doctor/config/parse.test.ts compares the parser of the doctor with nginx. */
export function parseNginx(text: string): readonly Parsed[] {
  const written = (block: readonly Directive[]): readonly Parsed[] =>
    block.map(({ name, args, block: inner }) => ({
      words: [name, ...args],
      ...(inner && { block: written(inner) }),
    }));
  return written(parse(text, 'the generated configuration'));
}

/** Every directive of that name, in all blocks. */
export function directives(tree: readonly Parsed[], name: string): Parsed[] {
  return tree.flatMap((one) => [
    ...(one.words[0] === name ? [one] : []),
    ...directives(one.block ?? [], name),
  ]);
}
