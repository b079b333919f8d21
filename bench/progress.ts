/** One line on stderr: what is being measured, and how long it will all still take. */
export function progress(steps: number) {
  const { stderr } = process;
  const began = performance.now();
  let done = 0;
  return {
    begin(what: string): void {
      const left =
        done === 0 ? '' : `, ${timeLeft((performance.now() - began) / done, steps - done)}`;
      const line = `${done + 1} of ${steps}: ${what}${left}`;
      stderr.write(stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
      done += 1;
    },
    end(): void {
      if (stderr.isTTY) stderr.write('\r\x1b[K');
    },
  };
}

function timeLeft(millisecondsEach: number, steps: number): string {
  const seconds = Math.ceil((millisecondsEach * steps) / 1000);
  return seconds < 90 ? `${seconds} s left` : `${Math.ceil(seconds / 60)} min left`;
}
