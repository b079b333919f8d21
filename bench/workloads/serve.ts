import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Variant } from '../backend.ts';
import { type Measured, measured } from '../load/measured.ts';
import { type Latency, steady } from '../load/steady.ts';
import { type Wrk, wrk } from '../load/wrk.ts';
import type { Options } from '../options.ts';
import { peakBytes } from '../processes.ts';
import type { Step } from './rounds.ts';
import { type Running, running } from './running.ts';

export interface Served {
  /** By number of connections. */
  readonly at32: Measured;
  readonly at256: Measured;
  /** At half of the rate of 32 connections. */
  readonly half: Latency;
  /** Milliseconds to the service's first response, its memory after that, and its peak memory. */
  readonly startMs?: number;
  readonly idleBytes?: number;
  readonly peakBytes?: number;
}

/** A small file with one token, or with several tokens in turn. */
export function serving(variants: readonly Variant[], files: string, options: Options) {
  const { seconds, warmUp } = options;
  return variants.map((variant): Step<Served> => {
    return {
      id: variant.id,
      title: `1 KiB: ${variant.title}`,
      seconds: 3 + warmUp + 3 * seconds,
      run: () => running(variant, { files }, (started) => serve(started, options)),
    };
  });
}

async function serve(started: Running, { seconds, warmUp }: Options): Promise<Served> {
  const { backend, nginx, groups } = started;
  const url = nginx.url(backend.path);
  const more = await inTurn(started);
  const load = (connections: number) => () => wrk(url, { connections, seconds, ...more });
  await wrk(url, { connections: 32, seconds: warmUp, ...more });
  const at32 = await measured(groups, load(32));
  const at256 = await measured(groups, load(256));
  const rate = at32.perSecond / 2;
  const half = await steady({ port: nginx.port, path: backend.path, rate, seconds });
  const { startMs, idleBytes, processes } = backend;
  return {
    at32,
    at256,
    half,
    ...(startMs !== undefined && { startMs }),
    ...(idleBytes !== undefined && { idleBytes }),
    ...(processes.service !== undefined && { peakBytes: peakBytes(processes.service) }),
  };
}

/** wrk's script, if there are several paths. */
export async function inTurn({ backend: { paths }, nginx }: Running): Promise<Pick<Wrk, 'script'>> {
  if (paths.length < 2) return {};
  const list = join(nginx.dir, 'paths');
  await writeFile(list, `${paths.join('\n')}\n`);
  return { script: ['in-turn.lua', list] };
}
