import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NAME, type Variant } from './backend.ts';
import type { Options, Workload } from './options.ts';
import { VARIANTS } from './peers/all.ts';
import { type Failure, inRounds, type Rounds, type Step } from './rounds.ts';
import { steps } from './running.ts';
import * as work from './workloads.ts';

/** All results by variant, in the order of the rounds. A workload that was not run is empty. */
export interface Results {
  readonly serve: Rounds<work.Served>;
  readonly issue: Rounds<work.Issued>;
  /** Smaller files, which the streaming applications can send in a reasonable time. */
  readonly download: Rounds<work.Downloaded>;
  /** The whole file, once, from nginx without and with Postern. */
  readonly downloadWhole: Rounds<work.Downloaded>;
  /** The rates by the number of live tokens. */
  readonly growth: Rounds<work.Measured>;
  /** Steps that failed. They have no other results. */
  readonly failed: readonly Failure[];
}

/** The systems that issue tokens over HTTP. */
const ISSUERS = ['django', 'express', 'memory', 'redis', 'jwt-eddsa'];

const DOWNLOADERS = ['static', 'django-stream', 'express', 'redis'];

/** The growing numbers of live tokens. To issue a million takes longer than the rest of a quick run. */
const SIZES = [1_000, 100_000, 1_000_000];

/** Runs the chosen measurements, with files below `folder`. */
export async function run(options: Options, folder: string): Promise<Results> {
  const { rounds, seconds, quick, workloads } = options;
  const ready = await prepared(VARIANTS.filter(({ id }) => options.variants.includes(id)));
  const among = (ids: readonly string[]) => ready.filter(({ id }) => ids.includes(id));
  const files = await fileOf(folder, 1024);
  const failed: Failure[] = [];

  async function measure<R>(workload: Workload, chosen: readonly Step<R>[], times = rounds) {
    if (!workloads.includes(workload)) return {};
    const done = await inRounds(chosen, times, (what) => process.stderr.write(`${what}\n`));
    failed.push(...done.failed);
    return done.rounds;
  }

  async function downloads(ids: readonly string[], bytes: number, times?: number) {
    const wanted = { files: await fileOf(folder, bytes), tokens: work.USERS };
    const what = `${work.USERS} × ${bytes / 1e6} MB`;
    const chosen = steps(among(ids), what, wanted, (one) => work.download(one, bytes));
    return measure('download', chosen, times);
  }

  const serving = steps(ready, '1 KiB', { files }, (one) => work.serve(one, seconds));
  const issuing = steps(among(ISSUERS), 'fresh tokens', { files }, (one) =>
    work.issue(one, seconds),
  );
  const growing = SIZES.slice(0, quick ? 2 : 3).flatMap((tokens) =>
    steps(among(['redis']), `${tokens} live tokens`, { files, tokens }, (one) =>
      work.serveSome(one, seconds),
    ).map((step) => ({ ...step, id: String(tokens) })),
  );
  return {
    serve: await measure('serve', serving),
    issue: await measure('issue', issuing),
    // The streaming applications would need hours for the whole file.
    download: await downloads(DOWNLOADERS, quick ? 20e6 : 100e6),
    downloadWhole: quick ? {} : await downloads(work.BY_NGINX, 2000e6, 1),
    growth: await measure('growth', growing),
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
