import { execFile } from 'node:child_process';
import { cp, mkdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../dev/paths.ts';
import { plain } from './plain.ts';

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

/** The ENTRYPOINT in its exec form. */
export function entrypoint(instructions: readonly Instruction[]): string[] {
  return JSON.parse(only(instructions, 'ENTRYPOINT')) as string[];
}

/** What a shell runs to see whether the container is well. */
export function healthcheck(instructions: readonly Instruction[]): string {
  return only(instructions, 'HEALTHCHECK').replace(/^.*?\bCMD\s+/, '');
}

export interface Copy {
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export function readCopy(text: string): Copy {
  const words = text.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  return { from, sources: words.slice(0, -1), target: words.at(-1) as string };
}

/**
 * Builds as Docker would, without an engine: each stage is a folder below `under`, and stands for
 * its /app. Returns the last one. What a RUN does outside of /app is left out.
 */
export async function build(instructions: readonly Instruction[], under: string): Promise<string> {
  const run = promisify(execFile);
  let folder = '';
  let count = 0;
  for (const { name, text } of instructions) {
    if (name === 'FROM') {
      const [image = '', , stage = `stage-${count}`] = text.split(/\s+/);
      count += 1;
      folder = join(under, stage);
      const earlier = join(under, image.replace(/[/:]/g, '-'));
      const isStage = await stat(earlier).then(
        () => true,
        () => false,
      );
      if (isStage) await cp(earlier, folder, { recursive: true, verbatimSymlinks: true });
      else await mkdir(folder);
    }
    if (name === 'COPY') await copy(readCopy(text), under, folder);
    if (name === 'RUN' && !text.includes('/run/')) {
      await run('/bin/sh', ['-c', text], { cwd: folder, env: plain(), maxBuffer: 1e8 });
    }
  }
  return folder;
}

async function copy({ from, sources, target }: Copy, under: string, folder: string) {
  const root = from === undefined ? projectRoot : join(under, from);
  for (const source of sources) {
    const path = join(root, from === undefined ? source : source.replace(/^\/app\//, ''));
    // Docker copies what is in a folder; a file goes into a target that ends with a slash.
    const isFolder = (await stat(path)).isDirectory();
    const into = join(folder, isFolder ? target : join(target, basename(path)));
    await cp(path, into, { recursive: true, verbatimSymlinks: true });
  }
}
