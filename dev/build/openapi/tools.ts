import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiDependencies, createApi } from '../../../service/api/api.ts';
import { installPackages } from '../../../test/harness/packages.ts';
import { tryRun } from '../../../test/harness/run.ts';

/** Of Redocly. It would ask for newer versions, and report how it is used. */
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

export type OpenapiTools = Awaited<ReturnType<typeof openapiTools>>;

/** Installs the packages of dev/packages/openapi/, once, and writes the document into `into`. */
export async function openapiTools(into: string) {
  const programs = join(await installPackages('openapi'), 'node_modules', '.bin');
  const document = join(into, 'openapi.json');
  // The document needs no other part of the service.
  const api = createApi({ version: '0.0.0', metricsText: async () => '' } as ApiDependencies);
  await writeFile(document, await (await api.request('/openapi.json')).text());
  return {
    document,
    /** Runs a program of one of the packages. */
    run: (program: string, ...args: string[]) => tryRun(join(programs, program), args, QUIET),
  };
}
