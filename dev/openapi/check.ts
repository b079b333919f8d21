import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot, temporaryFolder } from '../paths.ts';
import { openapiTools } from './tools.ts';

// The OpenAPI document as Redocly and Spectral see it, without errors or warnings. Run by `npm run check`.

const folder = await temporaryFolder();
const rules = join(projectRoot, 'dev', 'openapi');
try {
  const { document, run } = await openapiTools(folder);
  const checks = [
    ['redocly', 'lint', document, '--config', join(rules, 'redocly.yaml'), '--format', 'stylish'],
    [
      'spectral',
      'lint',
      document,
      '--ruleset',
      join(rules, 'spectral.yaml'),
      '--fail-severity=hint',
    ],
  ] as const;
  for (const [program, ...args] of checks) {
    const { ok, output } = await run(program, ...args);
    // Redocly succeeds with warnings.
    const fine = ok && !/\bYou have \d+ warning/.test(output);
    if (!fine) process.exitCode = 1;
    console.log(
      fine ? `✓ openapi.json: ${program}` : `✗ openapi.json: ${program}\n${output.trim()}`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
