import { makeZip } from 'client-zip';
import { entryOf, type ListEntry, uniqueName } from './names.ts';

/** A folder with more files and folders, bytes or levels is not downloaded. The page and docs/guides/pages.md state these limits. */
export const MAX_FILES = 10_000;
export const MAX_BYTES = 50 * 1024 ** 3;
export const MAX_DEPTH = 20;

/** For a status that may pass, such as 429. */
const MAX_ATTEMPTS = 20;
const RETRY_SECONDS = 2;
const MAX_RETRY_SECONDS = 60;

/** The folder exceeds a limit. */
export class TooLarge extends Error {}

/** A file for the ZIP. `name` is its path from the listed folder. */
export type ZipFile = Pick<ListEntry, 'url' | 'name' | 'size' | 'modified'>;

/** The entries of a page with nginx's list, which begins with a link to the folder above. */
export function readList(page: Document, folder: URL): ListEntry[] {
  return [...page.querySelectorAll('pre a')].flatMap((link) => {
    const { textContent, nextSibling } = link;
    const details = nextSibling?.textContent ?? '';
    return entryOf(link.getAttribute('href') ?? '', textContent, details, folder) ?? [];
  });
}

/** All files in the folder and in the folders below it. `missing` gets the folders that do not open. */
export async function findFiles(root: URL, missing: string[], signal: AbortSignal) {
  const files: ZipFile[] = [];
  let entries = 0;
  let bytes = 0;

  async function walk(folder: URL, prefix: string, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) throw new TooLarge();
    const response = await load(folder, signal);
    if (response === undefined) {
      missing.push(prefix);
      return;
    }
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const used = new Map<string, number>();
    for (const entry of readList(page, folder)) {
      const name = prefix + uniqueName(entry.name, used);
      entries += 1;
      bytes += entry.size;
      if (entries > MAX_FILES || bytes > MAX_BYTES) throw new TooLarge();
      if (entry.isFolder) await walk(entry.url, `${name}/`, depth + 1);
      else files.push({ ...entry, name });
    }
  }

  await walk(root, '', 0);
  return { files, bytes };
}

interface Zipping {
  readonly signal: AbortSignal;
  /** Gets the names of files that do not open. */
  readonly missing: string[];
  /** When a file begins, and for each piece of it. */
  readonly onProgress: (name: string, bytes: number) => void;
}

/** The ZIP as a stream, which fails as soon as one of its files does. */
export function zipOf(files: readonly ZipFile[], zipping: Zipping): ReadableStream<Uint8Array> {
  const { signal, missing, onProgress } = zipping;
  let total = 0;

  async function* inputs() {
    for (const { url, name, modified } of files) {
      onProgress(name, 0);
      const response = await load(url, signal);
      if (response === undefined) missing.push(name);
      else yield { name, lastModified: modified, input: counted(response, name) };
    }
  }

  function counted({ body }: Response, name: string): ReadableStream<Uint8Array> {
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        total += chunk.length;
        if (total > MAX_BYTES) throw new TooLarge();
        onProgress(name, chunk.length);
        controller.enqueue(chunk);
      },
    });
    return (body ?? new Blob([]).stream()).pipeThrough(count);
  }

  return makeZip(inputs());
}

/** Undefined: it does not open, for example because it is a symbolic link to another folder. */
async function load(url: URL, signal: AbortSignal): Promise<Response | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const response = await fetch(url, { signal, redirect: 'error' });
    const { status, headers } = response;
    if (status === 200) return response;
    await response.body?.cancel();
    if (status === 403 || status === 404) return undefined;
    if ((status !== 429 && status !== 503) || attempt === MAX_ATTEMPTS)
      throw new Error(`${status}`);
    const seconds = Number(headers.get('Retry-After')) || RETRY_SECONDS;
    await pause(Math.min(seconds, MAX_RETRY_SECONDS) * 1000, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
