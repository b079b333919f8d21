import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../../../test/harness/paths.ts';
import { openapiTools } from './tools.ts';

// Redocly accepts the OpenAPI document without errors or warnings. Run by `npm run check`.

const folder = await temporaryFolder();
const rules = join(projectRoot, 'dev', 'build', 'openapi', 'redocly.yaml');
try {
  const { document, run } = await openapiTools(folder);
  const args = ['lint', document, '--config', rules, '--format', 'stylish'];
  const { ok, output } = await run('redocly', ...args);
  // It succeeds with warnings.
  const fine = ok && !/\bYou have \d+ warning/.test(output);
  if (!fine) process.exitCode = 1;
  console.log(fine ? '✓ openapi.json' : `✗ openapi.json\n${output.trim()}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
