import type { Variant } from '../backend.ts';
import { downloadAll } from '../load/download.ts';
import { peakBytes, spending } from '../processes.ts';
import type { Step } from '../rounds.ts';
import { running } from './running.ts';

export interface Downloaded {
  readonly bytes: number;
  /** Of all users together. */
  readonly bytesPerSecond: number;
  readonly cpu: Readonly<Record<string, number>>;
  /** Peak memory of the service's processes. */
  readonly peakBytes: number | undefined;
}

export const USERS = 100;

export const DOWNLOADERS = ['static', 'django-stream', 'express', 'redis'];

/** nginx sends the file: these variants also download the whole one. */
export const BY_NGINX = ['static', 'redis'];

/** All users download the file at once, each with their own token. */
export function downloading(variants: readonly Variant[], files: string, bytes: number) {
  return variants.map((variant): Step<Downloaded> => {
    const run = () =>
      running(variant, { files, tokens: USERS }, async ({ backend, nginx, groups }) => {
        const { path, paths = [path] } = backend;
        const all = Array.from({ length: USERS }, (_, i) => paths[i % paths.length] ?? path);
        const download = () => downloadAll(nginx.port, all, bytes);
        const { result: seconds, cpu } = await spending(groups, download);
        const { service } = backend.processes;
        const bytesPerSecond = (bytes * USERS) / seconds;
        return { bytes, bytesPerSecond, cpu, peakBytes: service && peakBytes(service) };
      });
    return { id: variant.id, title: `${USERS} × ${bytes / 1e6} MB: ${variant.title}`, run };
  });
}
