import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Nginx } from '../../dev/nginx.ts';
import { type Backend, NAME, type Variant, type Wanted } from '../backend.ts';
import type { Groups } from '../load/measured.ts';
import { scheduleAsBatch } from '../processes.ts';
import { startSite } from '../site.ts';

export interface Running {
  readonly backend: Backend;
  readonly nginx: Nginx;
  /** nginx, the service and Redis, as far as there are any. */
  readonly groups: Groups;
}

/** A variant from cold, with nginx in front, for as long as the work takes. */
export async function running<R>(
  variant: Variant,
  wanted: Wanted,
  work: (running: Running) => Promise<R>,
): Promise<R> {
  const backend = await variant.start(wanted);
  try {
    const { service } = backend.processes;
    if (service !== undefined) await scheduleAsBatch(service);
    const nginx = await startSite(backend.site);
    try {
      await check(backend, nginx, wanted.files);
      return await work({ backend, nginx, groups: { nginx: nginx.pid, ...backend.processes } });
    } catch (error) {
      const faults =
        (await nginx.errorLog()).match(/^.*\[(?:warn|error|crit|alert|emerg)\].*$/gm) ?? [];
      throw new Error(
        [`${variant.id}: ${(error as Error).message}`, ...faults.slice(-9)].join('\n'),
      );
    } finally {
      await nginx.stop();
    }
  } finally {
    await backend.stop();
  }
}

/** It serves the file, and without a token it does not. */
async function check({ path, refused }: Backend, nginx: Nginx, files: string): Promise<void> {
  const served = await fetch(nginx.url(path));
  await served.body?.cancel();
  const length = Number(served.headers.get('content-length'));
  const { size } = await stat(join(files, NAME));
  if (served.status !== 200 || length !== size) {
    throw new Error(`not the file, but ${served.status} with ${length} bytes`);
  }
  if (refused === undefined) return;
  const denied = await fetch(nginx.url(refused));
  await denied.body?.cancel();
  if (![401, 403].includes(denied.status)) throw new Error(`without a token: ${denied.status}`);
}
