/** One line on stderr: what is being measured, and how long it will all still take. */
export interface Progress {
  /** `seconds` is what the step is expected to take. */
  begin(what: string, seconds: number): void;
  end(): void;
}

/** `total` is what all steps are expected to take; how far that is off is seen on the way. */
export function progress(total: number): Progress {
  const { stderr } = process;
  const began = performance.now();
  let done = 0;
  return {
    begin(what, seconds) {
      const passed = (performance.now() - began) / 1000;
      const pace = done === 0 ? 1 : passed / done;
      const line = `${what}, ${timeLeft((total - done) * pace)}`;
      stderr.write(stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
      done += seconds;
    },
    end() {
      if (stderr.isTTY) stderr.write('\r\x1b[K');
    },
  };
}

export function timeLeft(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s left` : `${Math.ceil(seconds / 60)} min left`;
}
