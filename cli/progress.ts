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
