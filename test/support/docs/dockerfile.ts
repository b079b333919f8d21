import { execFile } from 'node:child_process';
import { cp, mkdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../harness/paths.ts';
import { plain } from './blocks.ts';

/** One instruction: its lines joined, without comments. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  const joined = lines.join('\n').replaceAll('\\\n', '');
  return joined.split('\n').flatMap((line) => {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    return name === undefined || rest === undefined ? [] : [{ name, text: rest.trim() }];
  });
}

export function only(instructions: readonly Instruction[], name: string): string {
  const found = instructions.filter((instruction) => instruction.name === name);
  if (found.length !== 1) throw new Error(`${found.length} instructions are ${name}, not 1`);
  return (found[0] as Instruction).text;
}

/** The words of an instruction in its exec form, which needs no shell. */
export function execForm(text: string): string[] {
  return JSON.parse(text.replace(/^[^[]*/, '')) as string[];
}

/** The variables of the image. */
export function imageEnvironment(instructions: readonly Instruction[]): Record<string, string> {
  return Object.fromEntries(
    only(instructions, 'ENV')
      .split(/\s+/)
      .map((pair) => pair.split(/=(.*)/).slice(0, 2) as [string, string]),
  );
}

export function readCopy(text: string) {
  const words = text.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  return { from, sources: words.slice(0, -1), target: words.at(-1) as string };
}

/**
 * Builds as Docker would, without an engine and without the files of the base images: each stage is a folder
 * below `under`, its root. Returns the root of the last one.
 */
export async function build(instructions: readonly Instruction[], under: string): Promise<string> {
  const run = promisify(execFile);
  let root = '';
  let workdir = '/';
  for (const { name, text } of instructions) {
    if (name === 'FROM') {
      const [, stage = 'image'] = / AS (\w+)$/.exec(text) ?? [];
      root = join(under, stage);
      await mkdir(root);
    }
    if (name === 'WORKDIR') {
      workdir = text;
      await mkdir(join(root, workdir));
    }
    if (name === 'COPY') {
      const { from, sources, target } = readCopy(text);
      const origin = from === undefined ? projectRoot : join(under, from);
      const into = join(root, target.startsWith('/') ? target : join(workdir, target));
      for (const source of sources) await copy(join(origin, source), into);
    }
    if (name === 'RUN') {
      // Only root can change the owner of a folder, as Docker does.
      const isRoot = process.getuid?.() === 0;
      const owned = isRoot ? text : text.replace(/-o \d+ -g \d+/, '');
      const command = owned.replaceAll('/rootfs/', `${root}/rootfs/`);
      const options = { cwd: join(root, workdir), env: plain(), maxBuffer: 1e8 };
      await run('/bin/sh', ['-c', command], options);
    }
  }
  return root;
}

/** Docker copies what is in a folder; a file goes into a target that ends with a slash. */
async function copy(source: string, into: string): Promise<void> {
  if (!(await stat(source)).isDirectory()) return cp(source, join(into, basename(source)));
  // Unlike cp of Node.js, cp -a keeps owners.
  await mkdir(into, { recursive: true });
  await promisify(execFile)('cp', ['-a', `${source}/.`, into]);
}
