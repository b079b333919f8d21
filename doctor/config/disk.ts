import { type Dir, lstatSync, opendirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemReason, tryTo } from '../../common/errors.ts';

/** More than a site has beside its uploads, and few enough to finish quickly. */
const MAX_NAMES = 20_000;

/** The disk of the machine on which nginx runs. */
export type Disk = ReturnType<typeof createDisk>;

export function createDisk(maxNames = MAX_NAMES) {
  const walked = new Map<string, ReturnType<typeof linksBelow>>();

  /** The path without symbolic links. Undefined if there is no such file, or if this user may not look. */
  function real(path: string): string | undefined {
    return tryTo(() => realpathSync(path));
  }

  /** The symbolic links below a folder, and what could not be looked at. */
  function links(top: string) {
    const found = walked.get(top) ?? linksBelow(top);
    walked.set(top, found);
    return found;
  }

  /** Looks once into each folder, also into those that links lead to, and reads only names. A `path` is below `top`. */
  function linksBelow(top: string) {
    const found: Array<{ path: string; to: string; isFolder: boolean }> = [];
    const unseen = new Set<string>();
    const seen = new Set([top]);
    const folders = [{ folder: top, as: top }];
    let left = maxNames;
    // The loop also visits the folders that are added to the list.
    for (const { folder, as } of folders) {
      let open: Dir | undefined;
      try {
        open = opendirSync(folder);
        for (let one = open.readSync(); one !== null; one = open.readSync()) {
          left -= 1;
          if (left < 0) {
            unseen.add(`links below ${top} after ${maxNames} names`);
            return { links: found, unseen };
          }
          const path = join(as, one.name);
          const to = one.isSymbolicLink() ? real(join(folder, one.name)) : join(folder, one.name);
          if (to === undefined) continue;
          const isFolder =
            one.isDirectory() || (tryTo(() => lstatSync(to))?.isDirectory() ?? false);
          if (one.isSymbolicLink()) found.push({ path, to, isFolder });
          const isNew = !seen.has(to) && (one.isDirectory() || !to.startsWith(`${top}/`));
          if (isFolder && isNew) folders.push({ folder: to, as: path });
          if (isFolder) seen.add(to);
        }
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        const isAbsent = ['ENOENT', 'ENOTDIR'].includes(code);
        if (!isAbsent) unseen.add(`links below ${folder}: ${systemReason(error)}`);
      } finally {
        open?.closeSync();
      }
    }
    return { links: found, unseen };
  }

  return { real, links };
}
