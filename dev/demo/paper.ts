/** The output of the demo. */
export type Paper = ReturnType<typeof createPaper>;

type Fact = readonly [name: string, value: string, note?: string];

const CODES = { bold: '1', dim: '2', red: '31', green: '32', cyan: '36' } as const;

/** Colors only on a terminal: https://no-color.org */
export function hasColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

export function createPaper(write: (text: string) => void, colour: boolean) {
  const paint = (name: keyof typeof CODES, text: string) =>
    colour ? `\x1b[${CODES[name]}m${text}\x1b[0m` : text;
  const line = (text = '') => write(`${text}\n`);
  let steps = 0;
  return {
    line,
    heading: (text: string) => line(`\n${paint('bold', text)}`),
    /** Names and values, aligned. */
    facts(facts: readonly Fact[]) {
      const width = Math.max(...facts.map(([name]) => name.length));
      const second = Math.max(...facts.map(([, value, note]) => (note ? value.length : 0)));
      for (const [name, value, note = ''] of facts) {
        const told = note ? `${value.padEnd(second)}  ${paint('dim', note)}` : value;
        line(`  ${paint('dim', name.padEnd(width))}  ${told}`);
      }
    },
    step(title: string, command: string) {
      steps += 1;
      line(`\n${String(steps).padStart(2)}  ${title}`);
      line(`    ${paint('dim', '$')} ${paint('cyan', command)}`);
    },
    result(ok: boolean, text: string) {
      line(`    ${ok ? paint('green', '✓') : paint('red', '✗')} ${text}`);
    },
  };
}
