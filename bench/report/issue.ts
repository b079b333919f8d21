import type { Variant } from '../backend.ts';
import type { Issued } from '../workloads/issue.ts';
import { BATCH } from '../workloads/issue.ts';
import type { Rounds } from '../workloads/rounds.ts';
import { align } from './align.ts';
import { figures, ratioOf, shown } from './rounds.ts';
import { CPU_HEAD, cpuCells, rateCells } from './serve.ts';

const HEAD = ['per second', 'min–max', '÷ Django', ...CPU_HEAD];

/** A token for each request, and issuing alone. */
export function issueTable(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Rounds<Issued>,
): string {
  const tables = [
    part(variants, rounds, 'issued and used once', (each) => each.fresh),
    part(variants, rounds, 'issued alone', (each) => each.single),
    part(variants, rounds, `issued in batches of ${BATCH}`, (each) => each.batch),
  ];
  return tables.join('\n\n');
}

function part(
  variants: readonly Pick<Variant, 'id' | 'title'>[],
  rounds: Rounds<Issued>,
  title: string,
  of: (each: Issued) => Issued['batch'],
): string {
  const rate = (id: string) => figures(rounds, id, (each) => of(each)?.perSecond);
  const lines = variants
    .filter(({ id }) => rate(id).length > 0)
    .map((variant) => [
      variant.title,
      ...rateCells(rate(variant.id)),
      shown(ratioOf(rate(variant.id), rate('django'))),
      ...cpuCells((rounds[variant.id] ?? []).map(of).filter((each) => each !== undefined)),
    ]);
  return align([[title, ...HEAD], ...lines]);
}
