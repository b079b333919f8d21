import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../test/harness/paths.ts';

export type Format = 'spdx' | 'cyclonedx';

interface Spdx {
  packages: Array<{ SPDXID: string; name: string; versionInfo?: string }>;
  relationships: Array<{ spdxElementId: string; relatedSpdxElement: string }>;
}

interface CycloneDx {
  components: Array<{ 'bom-ref': string; name: string; version: string }>;
  dependencies: Array<{ ref: string; dependsOn: string[] }>;
}

/** A bill of materials: Postern and the packages that it ships. npm writes it, also for development tools. */
export async function sbom(format: Format): Promise<string> {
  const args = ['sbom', '--package-lock-only', `--sbom-format=${format}`];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: projectRoot, maxBuffer: 1e8 });
  const all = JSON.parse(stdout) as Spdx & CycloneDx;
  const shipped = shippedPackages();
  const bill = format === 'spdx' ? spdx(all, shipped) : cycloneDx(all, shipped);
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function spdx(all: Spdx, shipped: ReadonlySet<string>): Spdx {
  const [own, ...others] = all.packages;
  if (own === undefined) throw new Error('npm sbom names no package');
  const packages = [
    own,
    ...others.filter(({ name, versionInfo }) => shipped.has(`${name} ${versionInfo}`)),
  ];
  const ids = new Set(['SPDXRef-DOCUMENT', ...packages.map(({ SPDXID }) => SPDXID)]);
  const relationships = all.relationships.filter(
    ({ spdxElementId, relatedSpdxElement }) =>
      ids.has(spdxElementId) && ids.has(relatedSpdxElement),
  );
  return { ...all, packages, relationships };
}

function cycloneDx(all: CycloneDx, shipped: ReadonlySet<string>): CycloneDx {
  const isShipped = (one: { name: string; version: string }) =>
    shipped.has(`${one.name} ${one.version}`);
  const dropped = new Set(
    all.components.filter((one) => !isShipped(one)).map((one) => one['bom-ref']),
  );
  const dependencies = all.dependencies
    .filter(({ ref }) => !dropped.has(ref))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: dependsOn.filter((other) => !dropped.has(other)),
    }));
  return { ...all, components: all.components.filter(isShipped), dependencies };
}

/** Name and version of each package that is installed with Postern or is part of its bundles. */
function shippedPackages(): ReadonlySet<string> {
  const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; dev?: true; devOptional?: true; peer?: true }>;
  };
  const installed = Object.entries(lock.packages).flatMap(([path, entry]) => {
    const [, name] = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path) ?? [];
    const isInstalled = !entry.dev && !entry.devOptional && !entry.peer;
    return name !== undefined && isInstalled ? [`${name} ${entry.version}`] : [];
  });
  // The build lists what it bundles, with the licenses.
  const list = join(projectRoot, 'dist', 'chunks', 'LICENSES.txt');
  const text = existsSync(list) ? readFileSync(list, 'utf8') : '';
  const bundled = [...text.matchAll(/^((?:@[\w.-]+\/)?[\w.-]+) (\d[\w.+-]*) \(.+\)$/gm)];
  return new Set([...installed, ...bundled.map(([, name, version]) => `${name} ${version}`)]);
}
