import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApi } from '../../../service/api/api.ts';
import type { ApiDependencies } from '../../../service/api/http.ts';
import { withLock } from '../../../test/harness/debian/lock.ts';
import { isProgram } from '../../../test/harness/find-on-path.ts';
import { projectRoot } from '../../../test/harness/paths.ts';
import { type Ran, run, tryRun } from '../../../test/harness/run.ts';

const folder = join(projectRoot, 'dev', 'build', 'openapi');
/** With exact versions. */
const FILE = 'package.json';

/** Of Redocly. It would ask for newer versions, and report how it is used. */
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

/** The OpenAPI document, and programs that read it. */
export interface OpenapiTools {
  /** The file of the document. */
  readonly document: string;
  /** Runs a program of one of the packages. */
  readonly run: (program: string, ...args: string[]) => Promise<Ran>;
}

/** Installs the packages of dev/build/openapi/ into .cache/, once, and writes the document into `into`. */
export async function openapiTools(into: string): Promise<OpenapiTools> {
  const hash = createHash('sha256').update(await readFile(join(folder, FILE)));
  const cache = join(projectRoot, '.cache');
  const installed = join(cache, `openapi-${hash.digest('hex').slice(0, 12)}`);
  const programs = join(installed, 'node_modules', '.bin');
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, 'openapi.lock'), async () => {
    if (isProgram(join(programs, 'redocly'))) return;
    const half = `${installed}.part`;
    await rm(half, { recursive: true, force: true });
    await mkdir(half);
    await copyFile(join(folder, FILE), join(half, FILE));
    const options = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
    await run('npm', ['install', '--prefix', half, ...options]);
    await rename(half, installed);
  });
  const document = join(into, 'openapi.json');
  // The document needs no other part of the service.
  const api = createApi({ version: '0.0.0', metrics: async () => '' } as ApiDependencies);
  await writeFile(document, await (await api.request('/openapi.json')).text());
  return {
    document,
    run: (program, ...args) => tryRun(join(programs, program), args, QUIET),
  };
}
