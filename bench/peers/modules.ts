import { delimiter, join } from 'node:path';
import { libraryPath } from '../../test/harness/debian/library-path.ts';
import {
  canFetch,
  fetchPackages,
  findUnpacked,
  unpackedAt,
} from '../../test/harness/debian/packages.ts';
import type { Tool } from '../../test/harness/find-on-path.ts';
import { findTool } from '../../test/harness/tools.ts';

export const moduleOf = (packageName: string, file: string) =>
  join(unpackedAt(packageName), 'usr/lib/nginx/modules', file);

/**
 * The nginx that the module of the first package was built for. It is unpacked with the module, unless Debian's nginx
 * is installed. All packages are named: an unnamed dependency is not downloaded if the system has it.
 */
export async function nginxWith(packages: string[]): Promise<Tool> {
  const [first = ''] = packages;
  if (!canFetch()) throw new Error(`Debian's ${first} is needed`);
  await fetchPackages(packages);
  const tool = findUnpacked(first, 'nginx') ?? (await findTool('nginx'));
  const libraries = packages.map((name) => libraryPath(unpackedAt(name), '')).filter(Boolean);
  return { path: tool.path, env: { ...tool.env, LD_LIBRARY_PATH: libraries.join(delimiter) } };
}
