import { type Dir, lstatSync, opendirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemReason, tryTo } from '../../common/errors.ts';

/** More than a site has beside its uploads, and few enough to finish quickly. */
const MAX_NAMES = 20_000;

/** The disk of the machine on which nginx runs. */
export type Disk = ReturnType<typeof createDisk>;

export function createDisk(maxNames = MAX_NAMES) {
  const walked = new Map<string, ReturnType<typeof followed>>();
  /** What could not be looked at. */
  const unseen = new Set<string>();

  function failed(what: string, error: unknown): void {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTDIR'].includes(code)) unseen.add(`${what}: ${systemReason(error)}`);
  }

  /** The path without symbolic links. Undefined if there is no such file, or if this user may not look. */
  function real(path: string): string | undefined {
    try {
      return realpathSync(path);
    } catch (error) {
      failed(`symbolic links to ${path}`, error);
      return undefined;
    }
  }

  /** The symbolic links below a folder. */
  function links(top: string) {
    const found = walked.get(top) ?? [...walk(top)].flatMap((path) => followed(path, top));
    walked.set(top, found);
    return found;
  }

  /** Reads names only, and follows no link. */
  function* walk(top: string): Generator<string> {
    let left = maxNames;
    const folders = [top];
    // The loop also visits the folders that are added to the list.
    for (const folder of folders) {
      let open: Dir | undefined;
      try {
        open = opendirSync(folder);
        for (let one = open.readSync(); one !== null; one = open.readSync()) {
          left -= 1;
          if (left < 0) return void unseen.add(`links below ${top} after ${maxNames} names`);
          if (one.isDirectory()) folders.push(join(folder, one.name));
          if (one.isSymbolicLink()) yield join(folder, one.name);
        }
      } catch (error) {
        failed(`links below ${folder}`, error);
      } finally {
        open?.closeSync();
      }
    }
  }

  /** The link, and where it leads. */
  function followed(path: string, top: string) {
    const to = real(path);
    if (to === undefined) return [];
    const isFolder = tryTo(() => lstatSync(to))?.isDirectory() ?? false;
    const isOutside = !`${to}/`.startsWith(`${top}/`);
    if (isFolder && isOutside) unseen.add(`links below ${to}, to which ${path} leads`);
    return [{ path, to, isFolder }];
  }

  return { real, links, unseen: unseen as ReadonlySet<string> };
}
