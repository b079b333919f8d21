import { parseArgs } from 'node:util';
import { BASES, VARIANTS } from './variants.ts';

export interface Options {
  readonly rounds: number;
  readonly seconds: number;
  /** Seconds of load before it counts: the JIT compiler has its own warm-up. */
  readonly warmUp: number;
  /** The ids of the variants to measure; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** A file for the results. */
  readonly json: string | undefined;
}

const ids = VARIANTS.map(({ id }) => id);

export const USAGE = `npm run bench -- [--rounds N] [--seconds N] [--quick] [--only ID,…] [--json FILE]

  --rounds N    how often each variant is measured (5)
  --seconds N   how long each time (3)
  --quick       one round of one second, to see that it works
  --only ID,…   these variants alone, and those that the ratios are to: ${BASES.join(', ')};
                there are ${ids.join(', ')}
  --json FILE   also write every figure to a file
`;

/** Throws a TypeError that says what is wrong; undefined where only help is asked for. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    rounds: whole('--rounds', values.rounds ?? (values.quick ? '1' : '5')),
    seconds: whole('--seconds', values.seconds ?? (values.quick ? '1' : '3')),
    warmUp: 1,
    only: values.only === undefined ? undefined : known(values.only.split(',')),
    json: values.json,
  };
}

function known(wanted: readonly string[]): readonly string[] {
  const other = wanted.find((id) => !ids.includes(id));
  if (other !== undefined) throw new TypeError(`--only: there is no ${other}`);
  return wanted;
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1)
    throw new TypeError(`${flag} must be a whole number from 1`);
  return value;
}
