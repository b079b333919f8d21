import type { Command } from 'commander';
import { example } from './example.ts';

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Run the service, configured by POSTERN_* variables and the file POSTERN_CONFIG.')
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern serve'))
    .action(async () => {
      await import('../../service/main.ts');
    });
}
