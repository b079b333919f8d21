import type { Variant } from './backend.ts';
import { smallFile, sparseFile } from './files.ts';
import type { Options, Workload } from './options.ts';
import { progress } from './progress.ts';
import type { Results } from './results.ts';
import { VARIANTS } from './variants.ts';
import { BY_NGINX, DOWNLOADERS, downloading } from './workloads/download.ts';
import { growing } from './workloads/growth.ts';
import { ISSUERS, issuing } from './workloads/issue.ts';
import { type Failure, inRounds, type Rounds, type Step, secondsOf } from './workloads/rounds.ts';
import { serving } from './workloads/serve.ts';

/** The file size for the streaming applications: the whole file would take hours. */
const PART_MB = 100;

/** The variant of the `growth` workload. */
const GROWS = 'redis';

/** Runs the chosen measurements, with files below `folder`. */
export async function run(options: Options, folder: string): Promise<Results> {
  const { rounds, size, variants, workloads } = options;
  const chosen = await prepared(VARIANTS.filter(({ id }) => variants.includes(id)));
  const among = (ids: readonly string[]) => chosen.filter(({ id }) => ids.includes(id));
  const steps = <R>(workload: Workload, make: () => Step<R>[]) =>
    workloads.includes(workload) ? make() : [];

  const small = await smallFile(folder);
  const part = Math.min(size, PART_MB) * 1e6;
  const whole = size * 1e6;
  const [partFile, wholeFile] = [await sparseFile(folder, part), await sparseFile(folder, whole)];

  const serve = steps('serve', () => serving(chosen, small, options));
  const issue = steps('issue', () => issuing(among(ISSUERS), small, options));
  const download = steps('download', () => downloading(among(DOWNLOADERS), partFile, part));
  const once = steps('download', () =>
    whole > part ? downloading(among(BY_NGINX), wholeFile, whole) : [],
  );
  const growth = steps('growth', () =>
    VARIANTS.filter(({ id }) => id === GROWS).flatMap((variant) =>
      growing(variant, small, options),
    ),
  );

  const all: readonly Step<unknown>[] = [...serve, ...issue, ...download, ...growth];
  const line = progress(secondsOf(all, rounds) + secondsOf(once, 1));
  const failed: Failure[] = [];
  async function measure<R>(these: readonly Step<R>[], times = rounds): Promise<Rounds<R>> {
    const done = await inRounds(these, times, line);
    failed.push(...done.failed);
    return done.rounds;
  }
  const results = {
    serve: await measure(serve),
    issue: await measure(issue),
    download: await measure(download),
    downloadWhole: await measure(once, 1),
    growth: await measure(growth),
    failed,
  };
  line.end();
  return results;
}

/** The variants that can run here. The others are reported with the reason. */
async function prepared(variants: readonly Variant[]): Promise<Variant[]> {
  const ready: Variant[] = [];
  for (const variant of variants) {
    try {
      await variant.prepare?.();
      ready.push(variant);
    } catch (error) {
      process.stderr.write(`left out: ${variant.title}: ${(error as Error).message}\n`);
    }
  }
  return ready;
}
