import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { findHelm } from '../../test/harness/helm.ts';
import { projectRoot } from '../../test/harness/paths.ts';
import { run } from '../../test/harness/run.ts';
import { type Format, sbom } from './sbom.ts';

// Makes the files of a release: the Debian package, the chart, the bills of materials, and their
// checksums. With a tag, it also checks the versions and writes the notes of the release. Usage:
// npm --prefix dev run release -- [folder [tag]]

const read = (name: string) => readFile(join(projectRoot, name), 'utf8');

/** Throws if a file has another version than package.json, or the changelog has no entry for it. */
async function checkVersions(tag: string): Promise<string> {
  const { version } = JSON.parse(await read('package.json')) as { version: string };
  if (tag !== `v${version}`) throw new Error(`the tag is ${tag}, and package.json has ${version}`);
  const chart = parse(await read('deploy/helm/postern/Chart.yaml'));
  for (const field of ['version', 'appVersion']) {
    if (chart[field] !== version) throw new Error(`${field} of Chart.yaml is ${chart[field]}`);
  }
  const [, notes] =
    (await read('CHANGELOG.md')).split(`\n## [${version}]`)[1]?.split(/^[^\n]*\n|\n## /) ?? [];
  if (!notes?.trim()) throw new Error(`CHANGELOG.md has no entry for ${version}`);
  return `${notes.trim()}\n`;
}

async function release(folder: string, tag: string | undefined): Promise<void> {
  const notes = tag === undefined ? undefined : await checkVersions(tag);
  await mkdir(folder, { recursive: true });
  const assets = join(folder, 'assets');
  await run(process.execPath, [join(projectRoot, 'dist', 'dev', 'build', 'deb.js'), assets]);
  const chart = join(projectRoot, 'deploy', 'helm', 'postern');
  await run(await findHelm(), ['package', chart, '--destination', assets]);
  // The npm package would have the same name.
  const [name = ''] = (await readdir(assets)).filter((name) => name.endsWith('.tgz'));
  await rename(join(assets, name), join(assets, name.replace(/^postern-/, 'postern-chart-')));
  for (const format of ['spdx', 'cyclonedx'] satisfies Format[]) {
    await writeFile(join(assets, `postern.${format}.json`), await sbom(format));
  }
  const sums = (await readdir(assets)).sort().map(async (name) => {
    const data = await readFile(join(assets, name));
    return `${createHash('sha256').update(data).digest('hex')}  ${name}\n`;
  });
  await writeFile(join(assets, 'SHA256SUMS'), (await Promise.all(sums)).join(''));
  if (notes !== undefined) await writeFile(join(folder, 'notes.md'), notes);
}

const [, , folder = join(projectRoot, 'dist', 'release'), tag] = process.argv;
try {
  await release(resolve(folder), tag);
} catch (error) {
  console.error(`release: ${(error as Error).message}`);
  process.exitCode = 1;
}
