/** One line on stderr: the current step and the remaining time. */
export interface Progress {
  /** `seconds`: the expected duration of the step. */
  begin(what: string, seconds: number): void;
  end(): void;
}

/** `total`: the expected duration of all steps. It is corrected while they run. */
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
