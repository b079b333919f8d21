import { parseArgs } from 'node:util';
import { DETAILS, VARIANTS } from './variants.ts';

const WORKLOADS = ['serve', 'issue', 'download', 'growth'] as const;

export type Workload = (typeof WORKLOADS)[number];

export interface Options {
  readonly quick: boolean;
  readonly rounds: number;
  /** Duration of each load. */
  readonly seconds: number;
  /** Seconds of load that are not measured, for the JIT compiler. */
  readonly warmUp: number;
  /** Megabytes (10^6) of the file that 100 users download. */
  readonly size: number;
  /** IDs of variants. */
  readonly variants: readonly string[];
  readonly workloads: readonly Workload[];
  /** File for the results. */
  readonly json: string | undefined;
}

/** The systems that ratios compare with. */
const BASES = ['static', 'ceiling'];

const ids = VARIANTS.map(({ id }) => id);
const usual = ids.filter((id) => !DETAILS.includes(id));

export const USAGE = `npm run bench -- [--rounds N] [--seconds N] [--size MB] [--quick] [--only ID,…] [--json FILE]

  --rounds N    how often each system is measured (5)
  --seconds N   seconds of each load (2)
  --size MB     size of the file that 100 users download from nginx (2000)
  --quick       one round of one second, small downloads, no million tokens: under three minutes
  --only ID,…   only these workloads and systems
                workloads: ${WORKLOADS.join(', ')}
                systems: ${usual.join(', ')}
                systems that run only if named: ${DETAILS.join(', ')}
                ${BASES.join(' and ')} always run, because ratios need them
  --json FILE   also write all results to a file
`;

/** Throws a TypeError for an invalid option. Returns undefined for --help. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      size: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, json, only } = values;
  return {
    quick,
    rounds: whole('--rounds', values.rounds ?? (quick ? '1' : '5')),
    seconds: whole('--seconds', values.seconds ?? (quick ? '1' : '2')),
    warmUp: 1,
    size: whole('--size', values.size ?? (quick ? '20' : '2000')),
    ...chosen(only?.split(',') ?? []),
    json,
  };
}

/** The named workloads and variants. If none of a kind is named: all of it, without the details. */
function chosen(only: readonly string[]): Pick<Options, 'variants' | 'workloads'> {
  const workloads = WORKLOADS.filter((id) => only.includes(id));
  const variants = ids.filter((id) => only.includes(id));
  const other = only.find((id) => !ids.includes(id) && !workloads.some((known) => known === id));
  if (other !== undefined)
    throw new TypeError(`--only: ${other} is neither a workload nor a system`);
  return {
    variants: variants.length > 0 ? [...BASES, ...variants] : usual,
    workloads: workloads.length > 0 ? workloads : WORKLOADS,
  };
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1)
    throw new TypeError(`${flag} must be a whole number from 1`);
  return value;
}
