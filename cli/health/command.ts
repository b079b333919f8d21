import type { Command } from 'commander';
import type { Environment } from '../../service/config/environment.ts';
import { Failure } from '../errors.ts';
import { example } from '../options.ts';

export function addHealth(program: Command, env: Environment): void {
  program
    .command('health')
    .description(
      'Check that the service with this configuration answers on each listener, and exit.',
    )
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern health'))
    .action(async () => {
      const [{ serviceConfig }, { deadListeners }] = await Promise.all([
        import('../config.ts'),
        import('./health.ts'),
      ]);
      const dead = await deadListeners(serviceConfig(env));
      if (dead.length > 0) throw new Failure(dead.join('\npostern: '));
    });
}
