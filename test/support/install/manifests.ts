import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from '../../harness/packages.ts';
import { projectRoot } from '../../harness/paths.ts';
import { tryRun } from '../../harness/run.ts';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own form, which `misfits` checks
  readonly spec: any;
  // biome-ignore lint/suspicious/noExplicitAny: of a ConfigMap
  readonly data: any;
}

/** Where the schemas of an API group are: those of Kubernetes 1.34, and of the Gateway API. */
function moduleOf({ apiVersion }: Manifest): string {
  const [, own] = /^(gateway|monitoring)\./.exec(apiVersion) ?? [];
  const packages = { gateway: 'gateway-api', monitoring: 'prometheus-operator' };
  const name = packages[own as keyof typeof packages];
  return name ? `@kubernetes-models/${name}/${apiVersion}` : `kubernetes-models/${apiVersion}`;
}

/** The types of Kubernetes 1.30, the oldest version of the chart. Absent: not an API of Kubernetes itself. */
function oldTypeOf({ apiVersion, kind }: Manifest): string | undefined {
  const [group = '', version] = apiVersion.includes('/')
    ? apiVersion.split('/')
    : ['core', apiVersion];
  if (/^(gateway|monitoring)\./.test(group)) return undefined;
  return `import('kubernetes-types/${group.replace(/\..*/, '')}/${version}.js').${kind}`;
}

/**
 * Compares manifests with the published schemas of Kubernetes, the Gateway API and the Prometheus Operator. The validators
 * check values, and ignore unknown fields. The types know the fields, so a TypeScript program that has the
 * manifests as literals finds the others.
 */
export async function misfits(manifests: readonly Manifest[]): Promise<string[]> {
  const values = manifests.map(async (manifest) => {
    const folder = join(await installPackages('checks'), 'node_modules', moduleOf(manifest));
    const { [manifest.kind]: Model } = await import(join(folder, 'index.js'));
    try {
      new Model(manifest).validate();
      return [];
    } catch (error) {
      return [`${manifest.kind}: ${(error as Error).message}`];
    }
  });
  return [...(await Promise.all(values)).flat(), ...(await unknownFields(manifests))];
}

async function unknownFields(manifests: readonly Manifest[]): Promise<string[]> {
  // Beside the packages, so that TypeScript finds them.
  const folder = await mkdtemp(join(await installPackages('checks'), '.manifests-'));
  try {
    const lines = manifests.flatMap((manifest, i) => {
      const types = [`import('${moduleOf(manifest)}').I${manifest.kind}`, oldTypeOf(manifest)];
      return types.flatMap((type, n) =>
        type ? `export const manifest${i}_${n}: ${type} = ${JSON.stringify(manifest)};\n` : [],
      );
    });
    const file = join(folder, 'manifests.ts');
    await writeFile(file, lines.join(''));
    const tsc = join(projectRoot, 'node_modules', '.bin', 'tsc');
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const { ok, output } = await tryRun(tsc, ['--ignoreConfig', ...options, file]);
    return ok ? [] : output.trim().split('\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
