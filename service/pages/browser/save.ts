import type { ScriptTexts } from '../texts.ts';
import { cleanName } from './names.ts';
import { button, element, localesOf, sizeText } from './show.ts';
import { findFiles, MAX_BYTES, MAX_DEPTH, MAX_FILES, TooLarge, zipOf } from './zip.ts';

/** Above this size, the page warns about a ZIP in the memory of the browser. */
const LARGE = 1024 ** 3;

/** How often the progress changes. */
const SHOW_MS = 200;

interface View {
  readonly texts: ScriptTexts;
  /** Shows a text, with numbers and sizes in the reader's language, and returns it. */
  say(text: string, numbers?: Readonly<Record<string, number>>): string;
  /** Names follow a text: they can contain `{size}`. */
  add(text: string): void;
  showBar(done: number, all: number): void;
}

/** Buttons that save all files as one ZIP and stop it, and the progress. No byte goes through Postern. */
export function showSave(texts: ScriptTexts): HTMLElement {
  const made = element('div');
  made.className = 'zip';
  const bar = element('progress');
  bar.ariaLabel = texts.zip;
  const status = element('p');
  status.role = 'status';
  const locales = localesOf();
  let running = new AbortController();

  const view: View = {
    texts,
    say(text, numbers = {}) {
      const said = text.replace(/\{(\w+)\}/g, (_, name: string) => {
        const number = numbers[name] ?? 0;
        return name === 'size' ? sizeText(number, locales) : number.toLocaleString(locales);
      });
      status.textContent = said;
      return said;
    },
    add(text) {
      status.append(` ${text}`);
    },
    showBar(done, all) {
      bar.max = all;
      bar.value = done;
    },
  };

  async function start(): Promise<void> {
    const name = archiveName();
    let handle: FileSystemFileHandle | undefined;
    try {
      // First, because a browser opens the dialog only after a click.
      handle = await pickFile(name);
    } catch {
      // The person has closed the dialog.
      return;
    }
    running = new AbortController();
    bar.removeAttribute('value');
    setBusy(true);
    await save(view, name, handle, running.signal);
    setBusy(false);
  }
  function setBusy(isBusy: boolean): void {
    const hasFocus = made.contains(document.activeElement);
    startButton.hidden = isBusy;
    stopButton.hidden = !isBusy;
    bar.hidden = !isBusy;
    if (hasFocus) (isBusy ? stopButton : startButton).focus();
  }
  const startButton = button(texts.zip, start);
  const stopButton = button(texts.stop, () => running.abort());
  setBusy(false);
  made.append(startButton, stopButton, bar, status);
  return made;
}

/** Never rejects: it shows an error. */
async function save(
  view: View,
  name: string,
  handle: FileSystemFileHandle | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { texts, say, add, showBar } = view;
  const missing: string[] = [];
  let current = '';
  let began = 0;
  let saved = 0;
  let shownAt = 0;
  try {
    say(texts.counting);
    const { files, bytes } = await findFiles(new URL('.', location.href), missing, signal);
    const isLarge = handle === undefined && bytes > LARGE;
    if (isLarge && !confirm(say(texts.memory, { size: bytes }))) {
      say(texts.stopped);
      return;
    }
    const zip = zipOf(files, {
      signal,
      missing,
      onProgress(file, length) {
        if (file !== current) began += 1;
        current = file;
        saved += length;
        if (performance.now() < shownAt + SHOW_MS) return;
        shownAt = performance.now();
        showBar(saved, Math.max(saved, bytes, 1));
        say(texts.progress, { files: began, all: files.length, size: saved });
      },
    });
    await (handle ? saveTo(handle, zip, signal) : saveInMemory(name, zip));
    const lost = missing.filter((one) => !one.endsWith('/')).length;
    say(texts.saved, { files: files.length - lost, size: saved });
    if (missing.length > 0) add(`${texts.missing} ${missing.join(', ')}`);
  } catch (error) {
    if (signal.aborted) say(texts.stopped);
    else if (error instanceof TooLarge) {
      say(texts.limit, { files: MAX_FILES, size: MAX_BYTES, depth: MAX_DEPTH });
    } else {
      say(texts.failed);
      add(current);
    }
  }
}

/** The name of the folder, which is the end of the heading. */
function archiveName(): string {
  const path = document.querySelector('h1')?.textContent ?? '';
  return `${cleanName(path.slice(path.lastIndexOf('/') + 1))}.zip`;
}

/** TypeScript's library does not declare it, because Firefox and Safari do not have it. */
interface WithPicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

/** Undefined: this browser cannot write to a file while it downloads. */
function pickFile(suggestedName: string): Promise<FileSystemFileHandle> | undefined {
  return (globalThis as WithPicker).showSaveFilePicker?.({ suggestedName });
}

/** If the ZIP fails or is stopped, the browser discards what it has written. */
async function saveTo(
  handle: FileSystemFileHandle,
  zip: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  await zip.pipeTo(await handle.createWritable(), { signal });
}

async function saveInMemory(name: string, zip: ReadableStream<Uint8Array>): Promise<void> {
  const headers = { 'Content-Type': 'application/zip' };
  const link = element('a');
  link.href = URL.createObjectURL(await new Response(zip, { headers }).blob());
  link.download = name;
  link.click();
  // The browser reads the Blob after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
