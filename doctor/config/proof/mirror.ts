import {
  type Dir,
  lstatSync,
  mkdirSync,
  opendirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { systemReason, tryTo } from '../../../common/errors.ts';
import { give } from './nginx.ts';

/** A protected file of the mirror, by its path on the disk. */
export interface Marked {
  readonly path: string;
  readonly folder: number;
  /** The file exists on the disk. Otherwise only the mirror has it. */
  readonly isReal: boolean;
}

export interface Folder {
  readonly path: string;
  readonly what: string;
}

/** More names than a site has beside its uploads, and few enough to finish quickly. */
const MAX_NAMES = 20_000;
const MAX_NAMES_EACH = 4_000;
/** Real files to ask for in each folder: one for each extension and depth. */
const MAX_FILES = 8;
/** More real files, and folders with an invented one. */
const MAX_OTHERS = 200;

export type Mirror = ReturnType<typeof createMirror>;

/** A copy of names below a temporary folder. The files are empty, except the protected ones, which hold a mark. */
export function createMirror(top: string, mark: string, isDisk: boolean) {
  const seen = new Set<string>();
  const marked: Marked[] = [];
  const unseen = new Set<string>();
  /** More protected files, to ask for when a request has come near them. */
  const others: Marked[] = [];
  /** Other paths of protected files: symbolic links that lead to them. */
  const links: Array<{ path: string; to: string }> = [];
  let left = MAX_NAMES;
  let hasCompressed = false;

  const at = (path: string) => join(top, path);
  /** nobody owns the folders, so that the shell that ends nginx can remove them. */
  const made = new Set<string>();
  const folder = (path: string): void => {
    if (path === '/' || made.has(path)) return;
    made.add(path);
    folder(dirname(path));
    if (tryTo(() => mkdirSync(at(path))) === undefined) tryTo(() => give(at(path)));
  };
  const file = (path: string, text: string) =>
    void tryTo(() => writeFileSync(at(path), text, { flag: 'wx' }));

  /** The folders above a path, with their links. Returns the path without links. */
  function above(path: string): string {
    let own = '/';
    for (const part of path.split('/').filter(Boolean)) {
      // In `files/../www`, the kernel needs `files`, too.
      folder(own);
      own = linked(join(own, part));
    }
    return own;
  }

  /** A link of the disk at the same place in the mirror. Returns where it leads, or the path itself. */
  function linked(path: string): string {
    const isLink = isDisk && tryTo(() => lstatSync(path))?.isSymbolicLink();
    const to = isLink ? tryTo(() => realpathSync(path)) : undefined;
    if (to === undefined) return path;
    folder(dirname(path));
    if (tryTo(() => symlinkSync(at(to), at(path))) === undefined) links.push({ path, to });
    return to;
  }

  /** The names below a folder, and of what its links lead to. */
  function names(top: string, text: (path: string) => string): readonly string[] {
    const found: string[] = [];
    const start = above(top);
    if (isDisk && tryTo(() => lstatSync(start))?.isFile()) {
      folder(dirname(start));
      file(start, text(start));
      return [start];
    }
    const folders = [start];
    let own = MAX_NAMES_EACH;
    for (const one of folders) {
      if (seen.has(one)) continue;
      seen.add(one);
      folder(one);
      if (!isDisk) continue;
      let open: Dir | undefined;
      try {
        open = opendirSync(one);
        for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
          left -= 1;
          own -= 1;
          if (left < 0 || own < 0) {
            unseen.add(`names below ${top} after the first ones`);
            return found;
          }
          const path = join(one, entry.name);
          const to = entry.isSymbolicLink() ? linked(path) : path;
          const kind = entry.isSymbolicLink() ? tryTo(() => lstatSync(to)) : entry;
          if (kind?.isDirectory()) folders.push(to);
          else if (kind?.isFile()) {
            folder(dirname(to));
            file(to, text(to));
            found.push(to);
          }
        }
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        if (!['ENOENT', 'ENOTDIR'].includes(code)) {
          unseen.add(`names below ${one}: ${systemReason(error)}`);
        }
      } finally {
        open?.closeSync();
      }
    }
    return found;
  }

  /** A protected folder, with its files and with more names, which have the extensions. */
  function protect(
    { path }: Folder,
    index: number,
    extensions: readonly string[],
    named: readonly string[],
  ): void {
    const text = () => `${mark}:${index}:`;
    if (!path.endsWith('/')) {
      folder(dirname(path));
      file(path, text());
      marked.push({ path, folder: index, isReal: true });
      return;
    }
    const kinds = new Map<string, string>();
    const real = names(path, text);
    for (const one of real) {
      const kind = `${extname(one)}/${one.split('/').length}`;
      if (!kinds.has(kind)) kinds.set(kind, one);
    }
    hasCompressed ||= [...kinds.keys()].some((kind) => /^\.(br|zst)\//.test(kind));
    const add = (to: Marked[], path: string, isReal: boolean) =>
      void to.push({ path, folder: index, isReal });
    const first = [...kinds.values()].slice(0, MAX_FILES);
    for (const one of first) add(marked, one, true);
    for (const one of real.filter((one) => !first.includes(one)).slice(0, MAX_OTHERS))
      add(others, one, true);
    for (const extension of extensions) {
      const name = `${path}postern-doctor.${extension}`;
      file(name, text());
      add(marked, name, false);
    }
    for (const name of real.length > 0 ? [] : named) file(path + name, `${text()}?`);
    const below = [...seen].filter((one) => one.startsWith(path) && one !== path);
    for (const one of below.slice(0, MAX_OTHERS)) {
      const name = join(one, 'postern-doctor.txt');
      file(name, text());
      add(others, name, false);
    }
  }

  const isCompressed = () => hasCompressed;
  return { at, names, protect, file, folder, marked, others, links, unseen, isCompressed };
}
