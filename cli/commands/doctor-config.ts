import type { Command } from 'commander';
import type { Environment } from '../environment.ts';

export interface ConfigOptions {
  readonly config?: string | true;
  readonly mounts?: string;
  readonly json?: true;
}

export function addConfigOptions(doctor: Command): void {
  doctor
    .option(
      '--config [file]',
      'the output of `nginx -T`, or an nginx.conf; - or no value: standard input',
    )
    .option(
      '--mounts <mounts>',
      'the mounts to compare with, as in POSTERN_MOUNTS (default: those of the environment)',
    );
}

/** Prints what is found in a configuration, and sets the exit code. */
export async function doctorConfig(options: ConfigOptions, env: Environment): Promise<void> {
  const { config = true, mounts, json } = options;
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
