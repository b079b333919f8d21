import { makeZip } from 'client-zip';
import { cleanName, entryOf, type ListingEntry, uniqueName } from './names.ts';
import { button, element, fill, texts } from './show.ts';

/** A folder with more files and folders, bytes or levels is not downloaded. The page and docs/guides/pages.md state these limits. */
const MAX_FILES = 10_000;
const MAX_BYTES = 50e9;
const MAX_DEPTH = 20;

/** Above this size, the page warns about a ZIP in the memory of the browser. */
const LARGE = 1e9;

/** Files that are fetched ahead. With the one that is saved, they use five of the six connections of HTTP/1.1. */
const MAX_AHEAD = 4;

/** What each of them may keep in memory. A larger file starts when its turn comes: nginx closes a connection that waits. */
const MAX_AHEAD_BYTES = 4e6;

/** How often the progress changes. */
const SHOW_MS = 200;

/** The attempts after a status that may pass, such as 429. */
const MAX_ATTEMPTS = 20;
const RETRY_SECONDS = 2;
const MAX_RETRY_SECONDS = 60;

/** The folder exceeds a limit. */
class TooLarge extends Error {}

/** A file for the ZIP. `name` is its path from the listed folder. */
type ZipFile = Pick<ListingEntry, 'url' | 'name' | 'size' | 'modified'>;

let running = new AbortController();
const bar = element('progress', { ariaLabel: texts.zip, hidden: true });
const status = element('p', { role: 'status' });
const startButton = button(texts.zip, start);
const stopButton = button(texts.stop, () => running.abort());
stopButton.hidden = true;

/** Buttons that save all files as one ZIP and stop it, and the progress. No byte goes through Postern. */
export const saving = element('div', { className: 'zip' }, startButton, stopButton, bar, status);

function setBusy(isBusy: boolean): void {
  const hasFocus = saving.contains(document.activeElement);
  startButton.hidden = isBusy;
  stopButton.hidden = !isBusy;
  bar.hidden = !isBusy;
  if (hasFocus) (isBusy ? stopButton : startButton).focus();
}

/** Shows a text with numbers, and returns it. */
function say(text: string, numbers: Readonly<Record<string, number>> = {}): string {
  const said = fill(text, numbers);
  status.textContent = said;
  return said;
}

/** TypeScript's library does not declare it, because Firefox and Safari do not have it. */
interface WithPicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

async function start(): Promise<void> {
  // The name of the folder is the end of the heading.
  const path = document.querySelector('h1')?.textContent ?? '';
  const suggestedName = `${cleanName(path.slice(path.lastIndexOf('/') + 1))}.zip`;
  let handle: FileSystemFileHandle | undefined;
  try {
    // First, because a browser opens the dialog only after a click.
    handle = await (globalThis as WithPicker).showSaveFilePicker?.({ suggestedName });
  } catch {
    // The person has closed the dialog.
    return;
  }
  running = new AbortController();
  bar.removeAttribute('value');
  setBusy(true);
  await save(suggestedName, handle, running.signal);
  // After an error, a file may still be open.
  running.abort();
  setBusy(false);
}

/** Never rejects: it shows an error. Without `handle`, the browser keeps the ZIP in memory until it is complete. */
async function save(
  name: string,
  handle: FileSystemFileHandle | undefined,
  signal: AbortSignal,
): Promise<void> {
  const missing: string[] = [];
  const begun: string[] = [];
  let size = 0;
  let shownAt = 0;
  try {
    say(texts.counting);
    const { files, bytes } = await findFiles(new URL('.', location.href), missing, signal);
    const isLarge = handle === undefined && bytes > LARGE;
    if (isLarge && !confirm(say(texts.memory, { size: bytes }))) {
      say(texts.stopped);
      return;
    }
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        size += chunk.length;
        if (size > MAX_BYTES) throw new TooLarge();
        controller.enqueue(chunk);
        if (performance.now() < shownAt + SHOW_MS) return;
        shownAt = performance.now();
        bar.max = Math.max(size, bytes, 1);
        bar.value = size;
        say(texts.progress, { files: begun.length, all: files.length, size });
      },
    });
    const zip = makeZip(contents(files, begun, missing, signal)).pipeThrough(counted);
    // If the ZIP fails or is stopped, the browser discards what it has written.
    if (handle !== undefined) await zip.pipeTo(await handle.createWritable(), { signal });
    else await saveInMemory(name, zip);
    const lost = missing.filter((one) => !one.endsWith('/')).length;
    say(texts.saved, { files: files.length - lost, size });
    // Names follow a text: they can contain `{size}`.
    if (missing.length > 0) status.append(` ${texts.missing} ${missing.join(', ')}`);
  } catch (error) {
    if (signal.aborted) say(texts.stopped);
    else if (error instanceof TooLarge) {
      say(texts.limit, { files: MAX_FILES, size: MAX_BYTES, depth: MAX_DEPTH });
    } else {
      say(texts.failed);
      status.append(` ${begun.at(-1) ?? ''}`);
    }
  }
}

async function saveInMemory(name: string, zip: ReadableStream<Uint8Array>): Promise<void> {
  const headers = { 'Content-Type': 'application/zip' };
  const href = URL.createObjectURL(await new Response(zip, { headers }).blob());
  element('a', { href, download: name }).click();
  // The browser reads the Blob after the click.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** The entries of a page with nginx's list, which begins with a link to the folder above. */
export function readListing(page: Document, folder: URL): ListingEntry[] {
  return [...page.querySelectorAll('pre a')].flatMap((link) => {
    const { textContent, nextSibling } = link;
    const details = nextSibling?.textContent ?? '';
    return entryOf(link.getAttribute('href') ?? '', textContent, details, folder) ?? [];
  });
}

/** All files in the folder and in the folders below it. `missing` gets the folders that do not open. */
async function findFiles(root: URL, missing: string[], signal: AbortSignal) {
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
    for (const entry of readListing(page, folder)) {
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

/** The files of the ZIP, with small ones fetched ahead. `begun` gets each name, `missing` those that do not open. */
async function* contents(
  files: readonly ZipFile[],
  begun: string[],
  missing: string[],
  signal: AbortSignal,
) {
  const started = new Map<ZipFile, Promise<Body | undefined>>();
  let ahead = MAX_AHEAD;
  const startEarly = (file: ZipFile) => {
    const body = load(file.url, signal, 1).then(buffered);
    // Such as a 429, for more connections than nginx allows. The file is fetched again when its turn comes.
    body.catch(() => {
      ahead -= 1;
    });
    started.set(file, body);
  };
  for (const [i, file] of files.entries()) {
    const { url, name, modified } = file;
    begun.push(name);
    const open = () => load(url, signal).then(bodyOf);
    const opening = started.get(file)?.catch(open) ?? open();
    for (const next of files.slice(i + 1, i + 1 + Math.max(0, ahead))) {
      if (next.size <= MAX_AHEAD_BYTES && !started.has(next)) startEarly(next);
    }
    const input = await opening;
    started.delete(file);
    if (input === undefined) missing.push(name);
    else yield { name, lastModified: modified, input };
  }
}

type Body = ReadableStream<Uint8Array>;

const bodyOf = (response: Response | undefined): Body | undefined =>
  response && (response.body ?? new Blob([]).stream());

/** Reads on until the limit. The file can have grown since it was listed. */
function buffered(response: Response | undefined): Body | undefined {
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: MAX_AHEAD_BYTES });
  const buffer = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, strategy);
  return bodyOf(response)?.pipeThrough(buffer);
}

/** Undefined: it does not open, for example because it is a symbolic link to another folder. */
async function load(
  url: URL,
  signal: AbortSignal,
  attempts = MAX_ATTEMPTS,
): Promise<Response | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    const response = await fetch(url, { signal, redirect: 'error' });
    const { status, headers } = response;
    if (status === 200) return response;
    await response.body?.cancel();
    if (status === 403 || status === 404) return undefined;
    if ((status !== 429 && status !== 503) || attempt >= attempts) throw new Error(`${status}`);
    const seconds = Number(headers.get('Retry-After')) || RETRY_SECONDS;
    await pause(Math.min(seconds, MAX_RETRY_SECONDS) * 1000, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
