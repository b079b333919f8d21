import { NoReader } from './failure.ts';

let failed: Error | undefined;
process.stdout.on('error', (error) => {
  failed = error;
});

/**
 * Writes to standard output, and waits until it is taken.
 *
 * @throws NoReader
 */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (failed) return reject(new NoReader(failed.message));
    process.stdout.write(text, (error) => {
      if (error) reject(new NoReader(error.message));
      else resolve();
    });
  });
}

/** Characters that a terminal would obey, or that would make it show another text than there is. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text on one line, in which nothing is left that a terminal would obey. */
export function plain(text: string): string {
  return text.replace(OBEYED, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A value as JSON on one line, in which nothing is left that a terminal would obey. */
export function plainJson(value: unknown): string {
  // Such a character is always inside a string.
  return JSON.stringify(value).replace(OBEYED, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** Progress on a terminal. */
export interface Progress {
  show(text: string): void;
  /** Clears the line. */
  end(): void;
}

interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const NOTHING: Progress = { show() {}, end() {} };

/** Between two changes of the line, in milliseconds. */
const EACH = 100;

const CLEAR_LINE = '\r\u001b[K';

/** One line that is rewritten. Prints nothing if the stream is not a terminal. */
export function createProgress(stream: Terminal, now: () => number = Date.now): Progress {
  if (stream.isTTY !== true) return NOTHING;
  let shown: number | undefined;
  return {
    show(text) {
      if (shown !== undefined && now() - shown < EACH) return;
      shown = now();
      stream.write(`${CLEAR_LINE}${text}`);
    },
    end() {
      if (shown !== undefined) stream.write(CLEAR_LINE);
      shown = undefined;
    },
  };
}
