import type { Command } from 'commander';
import type { Environment } from '../api/open.ts';
import { example } from './example.ts';

export interface ConfigOptions {
  readonly config: string | true;
  readonly mounts?: string;
  readonly json?: true;
}

const HELP = `
Exit codes: 0 nothing was found, 1 something was, 2 it cannot be read.`;

export function addDoctor(program: Command, env: Environment): void {
  program
    .command('doctor')
    .description("Point at the traps in nginx's configuration, by file and line.")
    .requiredOption(
      '--config [file]',
      'what `nginx -T` prints, or a nginx.conf; - or nothing: standard input',
    )
    .option(
      '--mounts <mounts>',
      'compare with these, written as in POSTERN_MOUNTS; else with those of the environment',
    )
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .addHelpText('after', example('nginx -T | postern doctor --config'))
    .action((options: ConfigOptions) => doctorConfig(options, env));
}

/** Prints what is found in a configuration, and sets the exit code. */
export async function doctorConfig(options: ConfigOptions, env: Environment): Promise<void> {
  const { config, mounts, json } = options;
  const { diagnoseConfig } = await import('../doctor-config.ts');
  const { toldMounts } = await import('../doctor-mounts.ts');
  const { print } = await import('../output.ts');
  const told = toldMounts(mounts, env);
  const { ok, text } = diagnoseConfig(config === true ? '-' : config, {
    ...(told && { mounts: told }),
    ...(json && { json }),
  });
  await print(text);
  if (!ok) process.exitCode = 1;
}
