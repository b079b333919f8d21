import { execFile } from 'node:child_process';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../harness/paths.ts';
import { plain } from '../docs/blocks.ts';
import { copyProject } from '../files.ts';

export interface Packed {
  readonly tarball: string;
  /** Bytes, and the paths of the files. */
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly string[];
}

/** What `npm publish` would send. Packed in a copy, because it builds, and other tests use dist/. */
export async function pack(folder: string): Promise<Packed> {
  const copy = join(folder, 'source');
  await copyProject(copy);
  await symlink(join(projectRoot, 'node_modules'), join(copy, 'node_modules'));
  const into = join(folder, 'packed');
  await mkdir(into);
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--json', '--silent', '--pack-destination', into],
    { cwd: copy, env: plain(), maxBuffer: 1e8 },
  );
  // `npm pack` also prints what its scripts print.
  const [{ filename, size, unpackedSize, files }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  const paths = files.map(({ path }: { path: string }) => path);
  const tarball = join(into, filename);
  await chmod(tarball, 0o644);
  return { tarball, size, unpackedSize, files: paths };
}
