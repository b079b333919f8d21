import type { Command } from 'commander';
import { example } from './example.ts';

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Run the service. Its environment and POSTERN_CONFIG say how.')
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern serve'))
    .action(async () => {
      await import('../../service/main.ts');
    });
}
