import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findNpmProgram } from '../harness/npm-programs.ts';
import { installPackages, loadPackage } from '../harness/packages.ts';
import { projectRoot } from '../harness/paths.ts';
import { tryRun } from '../harness/run.ts';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own form, which `misfits` checks
  readonly spec: any;
  // biome-ignore lint/suspicious/noExplicitAny: of a ConfigMap
  readonly data: any;
}

/** Where the schemas of an API group are. */
async function moduleOf({ apiVersion }: Manifest): Promise<string> {
  if (apiVersion.startsWith('gateway.networking.k8s.io/')) {
    return join(dirname(await findNpmProgram('gateway-api')), apiVersion, 'index.js');
  }
  if (apiVersion.startsWith('monitoring.coreos.com/')) {
    return `@kubernetes-models/prometheus-operator/${apiVersion}`;
  }
  return `kubernetes-models/${apiVersion}`;
}

/**
 * Compares manifests with the published schemas of Kubernetes and the Prometheus Operator. The validators
 * check values, and ignore unknown fields. The types know the fields, so a TypeScript program that has the
 * manifests as literals finds the others.
 */
export async function misfits(manifests: readonly Manifest[]): Promise<string[]> {
  const values = manifests.map(async (manifest) => {
    // biome-ignore lint/suspicious/noExplicitAny: each module exports the kinds of its group
    const { [manifest.kind]: Model } = await loadPackage<any>('checks', await moduleOf(manifest));
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
    const lines = manifests.map(async (manifest, i) => {
      const type = `import('${await moduleOf(manifest)}').I${manifest.kind}`;
      return `export const manifest${i}: ${type} = ${JSON.stringify(manifest)};\n`;
    });
    const file = join(folder, 'manifests.ts');
    await writeFile(file, (await Promise.all(lines)).join(''));
    const tsc = join(projectRoot, 'node_modules', '.bin', 'tsc');
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
    const { ok, output } = await tryRun(tsc, ['--ignoreConfig', ...options, file]);
    return ok ? [] : output.trim().split('\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
