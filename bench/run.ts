import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NAME, type Variant } from './backend.ts';
import type { Options, Workload } from './options.ts';
import { VARIANTS } from './peers/all.ts';
import type { Measured } from './processes.ts';
import { type Failure, inRounds, type Rounds, type Step } from './rounds.ts';
import { BY_NGINX, DOWNLOADERS, type Downloaded, downloading } from './workloads/download.ts';
import { ISSUERS, type Issued, issuing } from './workloads/issue.ts';
import { growing, QUIET, quietly, type Served, serving } from './workloads/serve.ts';

/** All results by variant, in the order of the rounds. A workload that was not run is empty. */
export interface Results {
  readonly serve: Rounds<Served>;
  /** The same without logs. */
  readonly quiet: Rounds<Measured>;
  readonly issue: Rounds<Issued>;
  /** Smaller files, which the streaming applications can send in a reasonable time. */
  readonly download: Rounds<Downloaded>;
  /** The whole file, once, from nginx without and with Postern. */
  readonly downloadWhole: Rounds<Downloaded>;
  /** By the number of live tokens. */
  readonly growth: Rounds<Measured>;
  /** Steps that failed. They have no other results. */
  readonly failed: readonly Failure[];
}

const SMALL = 1024;

/** Runs the chosen measurements, with files below `folder`. */
export async function run(options: Options, folder: string): Promise<Results> {
  const { rounds, seconds, quick, workloads } = options;
  const ready = await prepared(VARIANTS.filter(({ id }) => options.variants.includes(id)));
  const among = (ids: readonly string[]) => ready.filter(({ id }) => ids.includes(id));
  // The streaming applications would need hours for the whole file.
  const [part, whole] = quick ? [20e6, 20e6] : [100e6, 2000e6];
  const [small = '', partFile = '', wholeFile = ''] = await Promise.all(
    [SMALL, part, whole].map((bytes) => fileOf(folder, bytes)),
  );
  const failed: Failure[] = [];
  async function measure<R>(workload: Workload, steps: readonly Step<R>[], times = rounds) {
    if (!workloads.includes(workload)) return {};
    const done = await inRounds(steps, times, (what) => process.stderr.write(`${what}\n`));
    failed.push(...done.failed);
    return done.rounds;
  }
  return {
    serve: await measure('serve', serving(ready, small, seconds)),
    quiet: await measure('quiet', quietly(among(QUIET), small, seconds)),
    issue: await measure('issue', issuing(among(ISSUERS), small, seconds)),
    download: await measure('download', downloading(among(DOWNLOADERS), partFile, part)),
    downloadWhole: quick
      ? {}
      : await measure('download', downloading(among(BY_NGINX), wholeFile, whole), 1),
    growth: await measure('growth', growing(among(['redis']), small, seconds, quick)),
    failed,
  };
}

/** A folder with a sparse file: it has a size, but no blocks on the disk. */
export async function fileOf(folder: string, bytes: number): Promise<string> {
  const files = join(folder, String(bytes));
  await mkdir(files, { recursive: true });
  await writeFile(join(files, NAME), '');
  await truncate(join(files, NAME), bytes);
  return files;
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
