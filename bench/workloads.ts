import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuSeconds, peakBytes } from '../test/harness/usage.ts';
import type { Backend } from './backend.ts';
import { downloadAll } from './load/download.ts';
import { steady } from './load/steady.ts';
import { type Load, type Wrk, wrk } from './load/wrk.ts';
import type { Groups, Running } from './running.ts';

export type Served = Awaited<ReturnType<typeof serve>>;
export type Issued = Awaited<ReturnType<typeof issue>>;
export type Downloaded = Awaited<ReturnType<typeof download>>;

export interface Measured extends Load {
  /** CPU microseconds per request, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** A small file, with one token or with several in turn. */
export async function serve(started: Running, seconds: number) {
  const { backend, nginx } = started;
  const at32 = await load(started, 32, seconds);
  const at256 = await load(started, 256, seconds);
  const half = await steady(nginx.port, backend.path, at32.perSecond / 2, seconds);
  const { startMs, idleBytes } = backend;
  return { at32, at256, half, startMs, idleBytes, peakBytes: peakOf(backend) };
}

/** The first second is not measured: the JIT compiler is at work. */
export async function load(started: Running, connections: number, seconds: number) {
  const { backend, nginx, groups } = started;
  const [url, list] = [nginx.url(backend.path), join(nginx.dir, 'paths')];
  const { paths = [] } = backend;
  await writeFile(list, `${paths.join('\n')}\n`);
  const more: Pick<Wrk, 'script'> = paths.length > 1 ? { script: ['in-turn.lua', list] } : {};
  await wrk(url, { connections, seconds: 1, ...more });
  return measured(groups, () => wrk(url, { connections, seconds, ...more }));
}

/** The same number of tokens is used at each size, so that only the number of live tokens differs. */
const ASKED = 1_000;

/** Many live tokens, some of which are used. */
export function serveSome(started: Running, seconds: number): Promise<Measured> {
  const { paths = [] } = started.backend;
  const every = Math.floor(paths.length / ASKED);
  const asked = paths.filter((_, i) => i % every === 0).slice(0, ASKED);
  return load({ ...started, backend: { ...started.backend, paths: asked } }, 32, seconds);
}

/** Tokens that are only issued, and tokens that are each issued and used once. */
export async function issue({ backend, nginx, groups }: Running, seconds: number) {
  if (backend.issue === undefined) throw new Error('this variant does not issue tokens');
  const { path, authorization, body } = backend.issue;
  const send = (then: 'use' | 'leave', duration: number) => {
    const script = ['fresh.lua', path, authorization, body, then] as const;
    const options = { connections: 32, seconds: duration, script };
    return measured(groups, () => wrk(nginx.url(path), options));
  };
  // The service's code is compiled during the first load.
  await send('use', 1);
  const single = await send('leave', seconds);
  const pairs = await send('use', seconds);
  const cpu = Object.entries(pairs.cpu).map(([name, micros]) => [name, micros * 2]);
  const fresh: Measured = {
    ...pairs,
    perSecond: pairs.perSecond / 2,
    cpu: Object.fromEntries(cpu),
  };
  return { single, fresh };
}

export const USERS = 100;

/** nginx sends the file: these variants also download the whole one. */
export const BY_NGINX = ['static', 'redis'];

/** All users download the file at once, each with their own token. */
export async function download({ backend, nginx, groups }: Running, bytes: number) {
  const { path, paths = [path] } = backend;
  const all = Array.from({ length: USERS }, (_, i) => paths[i % paths.length] ?? path);
  const { result, cpu } = await spending(groups, () => downloadAll(nginx.port, all, bytes));
  return { bytes, bytesPerSecond: (bytes * USERS) / result, cpu, peakBytes: peakOf(backend) };
}

/** Peak memory of the service's processes. */
const peakOf = ({ processes: { service } }: Backend) => service && peakBytes(service);

/** Runs a load, and measures the CPU time of each process group. */
export async function measured(groups: Groups, send: () => Promise<Load>): Promise<Measured> {
  const { result, cpu } = await spending(groups, send);
  const each = Object.entries(cpu).map(([name, seconds]) => {
    return [name, (seconds / result.requests) * 1e6];
  });
  return { ...result, cpu: Object.fromEntries(each) };
}

/** Does some work. Returns its result, and the CPU seconds of each process group during it. */
async function spending<R>(groups: Groups, work: () => Promise<R>) {
  const now = () =>
    Object.entries(groups).map(([name, group]) => [name, cpuSeconds(group)] as const);
  const before = new Map(now());
  const result = await work();
  const spent = now().map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]);
  const cpu: Readonly<Record<string, number>> = Object.fromEntries(spent);
  return { result, cpu };
}
