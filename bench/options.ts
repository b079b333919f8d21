import { parseArgs } from 'node:util';
import { VARIANTS } from './peers/all.ts';

const WORKLOADS = ['serve', 'issue', 'download', 'growth'] as const;

export type Workload = (typeof WORKLOADS)[number];

export type Options = NonNullable<ReturnType<typeof readOptions>>;

/** The systems that ratios compare with. */
const BASES = ['static', 'ceiling', 'own'];

const ids = VARIANTS.map(({ id }) => id);

export const USAGE = `npm run bench -- [--rounds N] [--quick] [--only ID,…] [--json FILE]
npm run bench -- --page FILE

  --rounds N    how often each system is measured (11)
  --quick       loads of one second, small downloads, no million tokens, one round by default
  --only ID,…   only these workloads and systems
                workloads: ${WORKLOADS.join(', ')}
                systems: ${ids.join(', ')}
                ${BASES.join(', ')} always run, because ratios need them
  --json FILE   also write all results to a file
  --page FILE   measure nothing, but write the results of --json to docs/: performance.md with
                its charts, and scaling.md
`;

/** Throws a TypeError for an invalid option. Returns undefined for --help. */
export function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      page: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, json, page } = values;
  const rounds = values.rounds ?? (quick ? '1' : '11');
  if (!/^[1-9]\d*$/.test(rounds)) throw new TypeError('--rounds must be a whole number from 1');
  const only = values.only?.split(',') ?? [];
  const workloads = WORKLOADS.filter((id) => only.includes(id));
  const variants = ids.filter((id) => only.includes(id));
  const other = only.find((id) => ![...ids, ...WORKLOADS].includes(id));
  if (other !== undefined)
    throw new TypeError(`--only: ${other} is neither a workload nor a system`);
  return {
    quick,
    rounds: Number(rounds),
    seconds: quick ? 1 : 2,
    // If none of a kind is named: all of it.
    variants: variants.length > 0 ? [...BASES, ...variants] : ids,
    workloads: workloads.length > 0 ? workloads : WORKLOADS,
    json,
    page,
  };
}
