import type { Variant } from '../backend.ts';
import { wrk } from '../load/wrk.ts';
import { type Measured, measured } from '../processes.ts';
import type { Step } from '../rounds.ts';
import { type Running, running } from './running.ts';

export interface Issued {
  /** Each token is issued and used once. Counts pairs of requests. */
  readonly fresh: Measured;
  readonly single: Measured;
}

/** The systems that issue tokens over HTTP. */
export const ISSUERS = ['django', 'express', 'memory', 'redis', 'jwt-eddsa'];

export function issuing(variants: readonly Variant[], files: string, seconds: number) {
  return variants.map((variant): Step<Issued> => {
    const run = () => running(variant, { files }, (started) => issueAll(started, seconds));
    return { id: variant.id, title: `fresh tokens: ${variant.title}`, run };
  });
}

async function issueAll(started: Running, seconds: number): Promise<Issued> {
  // The service's code is compiled during the first load.
  await load(started, 'use', 1);
  const single = await load(started, 'leave', seconds);
  const pairs = await load(started, 'use', seconds);
  const cpu = Object.entries(pairs.cpu).map(([name, micros]) => [name, micros * 2]);
  const fresh = { ...pairs, perSecond: pairs.perSecond / 2, cpu: Object.fromEntries(cpu) };
  return { single, fresh };
}

function load({ backend, nginx, groups }: Running, then: 'use' | 'leave', seconds: number) {
  if (backend.issue === undefined) throw new Error('this variant does not issue tokens');
  const { path, authorization, body } = backend.issue;
  const script = ['fresh.lua', path, authorization, body, then] as const;
  return measured(groups, () => wrk(nginx.url(path), { connections: 32, seconds, script }));
}
