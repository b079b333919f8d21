import type { Command } from 'commander';
import type { Environment } from '../../service/config/environment.ts';
import { example } from '../options.ts';
import { escapeControlsInJson, print } from '../terminal.ts';

const INVALID = 2;

export function addCheck(program: Command, env: Environment): void {
  program
    .command('check')
    .description('Check the configuration and the key files as the service reads them, and exit.')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern check'))
    .action(async ({ json }: { readonly json?: true }) => {
      const { checkConfig } = await import('./check.ts');
      const { errors, text } = await checkConfig(env);
      const isValid = errors.length === 0;
      if (!isValid) process.exitCode = INVALID;
      if (json) await print(`${escapeControlsInJson({ valid: isValid, errors })}\n`);
      else if (isValid) await print(text);
      else process.stderr.write(text);
    });
}
