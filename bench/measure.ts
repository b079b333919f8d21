import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Nginx } from '../dev/nginx.ts';
import { cpuSeconds } from './cpu.ts';
import { startSite } from './site.ts';
import type { Backend, Variant } from './variants.ts';
import { type Load, wrk } from './wrk.ts';

export interface Files {
  readonly folder: string;
  /** Of the one file in it. */
  readonly body: Buffer;
}

export interface Measurement extends Load {
  /** CPU seconds a request, by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** One variant from cold: start, check that it does its job, warm up, measure, stop. */
export async function measure(
  variant: Variant,
  files: Files,
  times: { seconds: number; warmUp: number },
): Promise<Measurement> {
  const backend = await variant.start();
  try {
    const nginx = await startSite(files.folder, backend.port);
    try {
      await check(variant, backend, nginx, files.body);
      const url = nginx.url(backend.path);
      const { paths = [] } = backend;
      const list = paths.length > 1 ? join(nginx.dir, 'paths') : undefined;
      if (list !== undefined) await writeFile(list, `${paths.join('\n')}\n`);
      await wrk(url, times.warmUp, list);
      const groups = Object.entries({ nginx: nginx.pid, ...backend.processes });
      const before = groups.map(([, group]) => cpuSeconds(group));
      const load = await wrk(url, times.seconds, list);
      const cpu = groups.map(([name, group], i) => {
        return [name, (cpuSeconds(group) - (before[i] as number)) / load.requests];
      });
      return { ...load, cpu: Object.fromEntries(cpu) };
    } finally {
      await nginx.stop();
    }
  } finally {
    await backend.stop();
  }
}

async function check({ id }: Variant, backend: Backend, nginx: Nginx, body: Buffer): Promise<void> {
  const reply = await fetch(nginx.url(backend.path));
  const got = Buffer.from(await reply.arrayBuffer());
  if (reply.status !== 200 || !got.equals(body)) {
    throw new Error(`${id} does not serve the file: ${reply.status}\n${await nginx.errorLog()}`);
  }
  if (backend.refused === undefined) return;
  const refused = await fetch(nginx.url(backend.refused));
  await refused.arrayBuffer();
  if (refused.status !== 401) throw new Error(`${id} answers ${refused.status} without a token`);
}
