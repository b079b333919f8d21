import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';

/** Letters of any script, and signs that neither nginx nor a shell obeys; in particular no `$`. */
const NAME = /^[\p{L}\p{M}\p{N} ._+@,~-]+$/u;

/** PATH_MAX is 4096 on Linux, and the file's own path comes after it. */
const MAX_LENGTH = 1024;

function isPath(path: string): boolean {
  const segments = path.split('/').slice(1);
  return (
    path.startsWith('/') &&
    Buffer.byteLength(path) <= MAX_LENGTH &&
    segments.every((name) => NAME.test(name) && name !== '.' && name !== '..')
  );
}

const SIGNS = 'with only letters, digits, spaces and . _ + @ , ~ - in its names';

/** The folder of files, for `alias`: with a slash at its end, without which `/x../` leaves it. */
export function readFolder(value: Given, path: string, faults: Faults): string | undefined {
  const bare = path.replace(/\/$/, '');
  // Not the root of the machine.
  if (isPath(bare)) return `${bare}/`;
  return faults.add(value, `the absolute path of a folder, such as /srv/files, ${SIGNS}`);
}

/** A log's file. No spaces: what comes after one would be the log's format. */
export function readLogFile(value: Given, faults: Faults): string | undefined {
  const path = String(value.value);
  if (isPath(path) && /^[\x21-\x7e]+$/.test(path)) return path;
  return faults.add(value, 'the absolute path of a log, such as /var/log/nginx/access.log');
}
