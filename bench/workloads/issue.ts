import type { Issue, Variant } from '../backend.ts';
import { type Measured, measured } from '../load/measured.ts';
import { wrk } from '../load/wrk.ts';
import type { Options } from '../options.ts';
import type { Step } from './rounds.ts';
import { type Running, running } from './running.ts';

export interface Issued {
  /** Each token is issued and used once. Counts pairs of requests. */
  readonly fresh: Measured;
  /** Tokens are only issued. Counts tokens. */
  readonly single: Measured;
  readonly batch?: Measured;
}

export const BATCH = 100;

/** The systems that issue tokens over HTTP. */
export const ISSUERS = ['django', 'express', 'memory', 'redis', 'jwt-eddsa'];

export function issuing(variants: readonly Variant[], files: string, options: Options) {
  const { seconds, warmUp } = options;
  return variants.map((variant): Step<Issued> => {
    return {
      id: variant.id,
      title: `fresh tokens: ${variant.title}`,
      seconds: 3 + warmUp + 3 * seconds,
      run: () => running(variant, { files }, (started) => issueAll(started, options)),
    };
  });
}

async function issueAll(started: Running, { seconds, warmUp }: Options): Promise<Issued> {
  const { issue } = started.backend;
  if (issue === undefined) throw new Error('this variant does not issue tokens');
  // The service's code is compiled during the first loads.
  await load(started, issue, 'use', 1, warmUp);
  const single = await load(started, issue, 'leave', 1, seconds);
  const fresh = await load(started, issue, 'use', 1 / 2, seconds);
  if (issue.batch === undefined) return { fresh, single };
  const many = { ...issue, ...issue.batch(BATCH) };
  return { fresh, single, batch: await load(started, many, 'leave', BATCH, seconds) };
}

/** `each`: how many counted units one request is. */
function load(
  { nginx, groups }: Running,
  { path, authorization, body }: Issue,
  then: 'use' | 'leave',
  each: number,
  seconds: number,
): Promise<Measured> {
  return measured(groups, async () => {
    const done = await wrk(nginx.url(path), {
      connections: 32,
      seconds,
      script: ['fresh.lua', path, authorization, body, then],
    });
    return { ...done, requests: done.requests * each, perSecond: done.perSecond * each };
  });
}
