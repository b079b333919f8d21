import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Variant } from '../backend.ts';
import { type Latency, steady } from '../load/steady.ts';
import { type Wrk, wrk } from '../load/wrk.ts';
import { type Measured, measured, peakBytes } from '../processes.ts';
import type { Step } from '../rounds.ts';
import { type Running, running } from './running.ts';

export interface Served {
  readonly at32: Measured;
  readonly at256: Measured;
  /** At half of the rate of 32 connections. */
  readonly half: Latency;
  /** Milliseconds to the service's first response, its memory after that, and its peak memory. */
  readonly startMs: number | undefined;
  readonly idleBytes: number | undefined;
  readonly peakBytes: number | undefined;
}

/** The systems that the targets compare without logs. */
export const QUIET = ['static', 'ceiling', 'bare', 'lua', 'memory', 'redis', 'cache'];

/** The growing numbers of live tokens. */
const SIZES = [1_000, 100_000, 1_000_000];

/** The same number of tokens is used at each size, so that only the number of live tokens differs. */
const ASKED = 1_000;

/** A small file with one token, or with several tokens in turn. */
export function serving(variants: readonly Variant[], files: string, seconds: number) {
  return variants.map((variant): Step<Served> => {
    const run = () => running(variant, { files }, (started) => serve(started, seconds));
    return { id: variant.id, title: `1 KiB: ${variant.title}`, run };
  });
}

export function quietly(variants: readonly Variant[], files: string, seconds: number) {
  return variants.map((variant): Step<Measured> => {
    const wanted = { files, quiet: true };
    const run = () => running(variant, wanted, (started) => load(started, 32, seconds));
    return { id: variant.id, title: `without logs: ${variant.title}`, run };
  });
}

/** With an increasing number of live tokens. To issue a million takes longer than the rest of a quick run. */
export function growing(
  variants: readonly Variant[],
  files: string,
  seconds: number,
  quick: boolean,
) {
  const sizes = quick ? SIZES.slice(0, 2) : SIZES;
  return variants.flatMap((variant) =>
    sizes.map((tokens): Step<Measured> => {
      const run = () =>
        running(variant, { files, tokens }, (started) => {
          const { paths = [] } = started.backend;
          const every = Math.floor(paths.length / ASKED);
          const asked = paths.filter((_, i) => i % every === 0).slice(0, ASKED);
          return load({ ...started, backend: { ...started.backend, paths: asked } }, 32, seconds);
        });
      return { id: String(tokens), title: `${tokens} live tokens`, run };
    }),
  );
}

async function serve(started: Running, seconds: number): Promise<Served> {
  const { backend, nginx } = started;
  const at32 = await load(started, 32, seconds);
  const at256 = await load(started, 256, seconds);
  const rate = at32.perSecond / 2;
  const half = await steady(nginx.port, backend.path, rate, seconds);
  const { startMs, idleBytes, processes } = backend;
  const peak = processes.service && peakBytes(processes.service);
  return { at32, at256, half, startMs, idleBytes, peakBytes: peak };
}

/** The first second is not measured: the JIT compiler is at work. */
async function load(started: Running, connections: number, seconds: number): Promise<Measured> {
  const { backend, nginx, groups } = started;
  const [url, list] = [nginx.url(backend.path), join(nginx.dir, 'paths')];
  const { paths = [] } = backend;
  await writeFile(list, `${paths.join('\n')}\n`);
  const more: Pick<Wrk, 'script'> = paths.length > 1 ? { script: ['in-turn.lua', list] } : {};
  await wrk(url, { connections, seconds: 1, ...more });
  return measured(groups, () => wrk(url, { connections, seconds, ...more }));
}
