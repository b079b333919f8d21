/** How long work is going, on a terminal. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away again. */
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

/** One line that changes; nothing at all where the stream is no terminal. */
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
