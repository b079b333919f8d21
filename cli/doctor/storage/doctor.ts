import type { Environment } from '../../../service/config/environment.ts';
import { serviceConfig } from '../../config.ts';
import { UsageError } from '../../errors.ts';
import { escapeControls, escapeControlsInJson } from '../../terminal.ts';
import { checkStorage } from './checks.ts';

interface Options {
  /** Its name below the prefix of the mount. */
  readonly object?: string;
  readonly json?: true;
}

/** Checks the object store of each mount. */
export async function diagnoseStorages(
  { object, json }: Options,
  env: Environment,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const mounts = serviceConfig(env).mounts.flatMap(({ id, storage }) =>
    storage === undefined ? [] : [{ id, storage }],
  );
  if (mounts.length === 0) throw new UsageError('--storage: no mount has a storage');
  const results = await Promise.all(
    mounts.map(async ({ id, storage }) => ({
      mount: id,
      endpoint: storage.endpoint,
      bucket: storage.bucket,
      findings: await checkStorage(storage, object),
    })),
  );
  const ok = results.every(({ findings }) => findings.length === 0);
  if (json) return { ok, text: `${escapeControlsInJson({ storages: results })}\n` };
  const lines = results.flatMap(({ mount, endpoint, bucket, findings }) => [
    escapeControls(`${mount}: ${bucket} at ${endpoint}`),
    ...findings.map(({ id, saw, why, fix }) =>
      [`✗ ${escapeControls(saw)}  [${id}]`, `    why:  ${why}`, `    fix:  ${fix}`].join('\n'),
    ),
    ...(findings.length === 0 ? ['✓ nothing found'] : []),
  ]);
  return { ok, text: `${lines.join('\n')}\n` };
}
