/** The reader of standard output closed it: `postern token list … | head`. */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed';
}

let failed: Error | undefined;
process.stdout.on('error', (error) => {
  failed = error;
});

/**
 * Writes to standard output, and waits until the text is written.
 *
 * @throws StdoutClosed
 */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (failed) return reject(new StdoutClosed(failed.message));
    process.stdout.write(text, (error) => {
      if (error) reject(new StdoutClosed(error.message));
      else resolve();
    });
  });
}

/** Characters that control a terminal, or change how it displays the text around them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text on one line, with control characters escaped. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A value as a line of JSON, with control characters escaped. */
export function jsonLine(value: unknown): string {
  // Such a character is always inside a JSON string.
  const json = JSON.stringify(value).replace(UNPRINTABLE, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
  return `${json}\n`;
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

const UPDATE_INTERVAL_MS = 100;

const CLEAR_LINE = '\r\u001b[K';

/** One line that is rewritten. Prints nothing if the stream is not a terminal. */
export function createProgress(stream: Terminal, now: () => number = Date.now): Progress {
  if (stream.isTTY !== true) return NOTHING;
  let shown: number | undefined;
  return {
    show(text) {
      if (shown !== undefined && now() - shown < UPDATE_INTERVAL_MS) return;
      shown = now();
      stream.write(`${CLEAR_LINE}${text}`);
    },
    end() {
      if (shown !== undefined) stream.write(CLEAR_LINE);
      shown = undefined;
    },
  };
}
