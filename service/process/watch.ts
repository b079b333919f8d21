import { realpathSync, type Stats, statSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';

/** How often to look at the files. A kubelet takes a minute to write a new secret. */
const EVERY_MS = 2000;

/** Where a file is, and when it changed: a secret that Kubernetes mounts changes by a link above it. */
const stateOf = (path: string, { ino, size, mtimeMs }: Stats) => [path, ino, size, mtimeMs].join();

const NONE = 'none';

/**
 * Calls `changed` once a file differs from what was read, and two looks see the same. It polls, because inotify reports no
 * change on network file systems, and a link only in its own folder.
 */
export function watchFiles(changed: () => void) {
  const read = new Map<string, string>();
  let last = '';

  async function look(): Promise<void> {
    const states = await Promise.all(
      [...read.keys()].map(async (path) => {
        const now = Promise.all([realpath(path), stat(path)]).then((found) => stateOf(...found));
        return [path, await now.catch(() => NONE)] as const;
      }),
    );
    const seen = JSON.stringify(states);
    const isStable = seen === last;
    last = seen;
    if (!isStable || states.every(([path, state]) => (read.get(path) ?? state) === state)) return;
    // A file that is invalid is reported once.
    for (const [path, state] of states) if (read.has(path)) read.set(path, state);
    changed();
  }

  async function repeat(): Promise<void> {
    await look();
    setTimeout(repeat, EVERY_MS).unref();
  }

  return {
    /** Call this before all files are read again. If that fails, call the result, which restores the earlier files. */
    clear(): () => void {
      const before = [...read];
      read.clear();
      return () => {
        for (const [path, state] of before) if (!read.has(path)) read.set(path, state);
      };
    },
    /** Call this before a file is read. */
    add(path: string): void {
      try {
        read.set(path, stateOf(realpathSync(path), statSync(path)));
      } catch {
        read.set(path, NONE);
      }
    },
    start: () => void repeat(),
  };
}
