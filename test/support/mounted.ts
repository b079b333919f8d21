import { mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFiles } from './files.ts';
import { folderForTest } from './for-test.ts';

/** A folder in which a kubelet mounts a Secret: each file is a link below `..data`, and a new Secret replaces that link. */
export async function mountedSecret(files: Readonly<Record<string, string>>) {
  const folder = await folderForTest();
  let count = 0;
  async function replace(next: Readonly<Record<string, string>>): Promise<void> {
    count += 1;
    await mkdir(join(folder, `..${count}`));
    await writeFiles(join(folder, `..${count}`), next);
    await symlink(`..${count}`, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  }
  await replace(files);
  for (const name of Object.keys(files)) await symlink(`..data/${name}`, join(folder, name));
  return { replace, path: (name: string) => join(folder, name) };
}
