import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Nginx, startNginx } from '../test/harness/nginx.ts';
import type { Group } from '../test/harness/usage.ts';
import { type Backend, NAME, type Site, type Variant, type Wanted } from './backend.ts';
import type { Step } from './rounds.ts';

export type Groups = Readonly<Record<string, Group>>;

export interface Running {
  readonly backend: Backend;
  readonly nginx: Nginx;
  /** nginx, and the service and Redis if the variant has them. */
  readonly groups: Groups;
}

/** A step for each variant. */
export function steps<R>(
  variants: readonly Variant[],
  what: string,
  wanted: Wanted,
  work: (running: Running) => Promise<R>,
): Step<R>[] {
  return variants.map((variant) => ({
    id: variant.id,
    title: `${what}: ${variant.title}`,
    run: () => running(variant, wanted, work),
  }));
}

/** Starts a variant and nginx, does the work, and stops both. */
export async function running<R>(
  variant: Variant,
  wanted: Wanted,
  work: (running: Running) => Promise<R>,
): Promise<R> {
  const backend = await variant.start(wanted);
  try {
    const nginx = await startSite(backend.site);
    try {
      await check(backend, nginx, wanted.files);
      return await work({ backend, nginx, groups: { nginx: nginx.pid, ...backend.processes } });
    } catch (error) {
      const errors =
        (await nginx.errorLog()).match(/^.*\[(?:warn|error|crit|alert|emerg)\].*$/gm) ?? [];
      throw new Error(
        [`${variant.id}: ${(error as Error).message}`, ...errors.slice(-9)].join('\n'),
      );
    } finally {
      await nginx.stop();
    }
  } finally {
    await backend.stop();
  }
}

/** Checks that the variant serves the file with a token, and denies it without one. */
async function check({ path, refused }: Backend, nginx: Nginx, files: string): Promise<void> {
  const served = await fetch(nginx.url(path));
  await served.body?.cancel();
  const length = Number(served.headers.get('content-length'));
  const { size } = await stat(join(files, NAME));
  if (served.status !== 200 || length !== size) {
    throw new Error(`expected 200 with ${size} bytes, got ${served.status} with ${length} bytes`);
  }
  if (refused === undefined) return;
  const denied = await fetch(nginx.url(refused));
  await denied.body?.cancel();
  if (![401, 403].includes(denied.status))
    throw new Error(`expected 401 or 403 without a token, got ${denied.status}`);
}

/** Starts nginx. All variants have the same configuration, apart from their own parts. */
export function startSite({ main = '', http = '', server, log = 'combined', tool }: Site) {
  return startNginx({
    ...(tool && { tool }),
    config: ({ port, dir }) => `
      ${main}
      events { worker_connections 4096; }
      http {
        sendfile on;
        keepalive_requests 1000000000;
        ${http}
        server {
          listen 127.0.0.1:${port};
          server_name files.example;
          access_log ${dir}/served.log ${log};
          ${server}
        }
      }`,
  });
}
