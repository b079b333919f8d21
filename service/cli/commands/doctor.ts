import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { example } from './example.ts';

const FOUND = 1;
const CANNOT_READ = 2;

export interface ConfigOptions {
  readonly config: string | true;
  readonly mounts?: string;
  readonly json?: true;
}

export function addDoctor(program: Command): void {
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
    .addHelpText('after', example('nginx -T | postern doctor --config'))
    .action(doctorConfig);
}

/** Prints what is found, and sets the exit code. */
export async function doctorConfig({ config, mounts, json }: ConfigOptions): Promise<void> {
  const { diagnoseConfig } = await import('../doctor-config.ts');
  const { toldMounts } = await import('../doctor-mounts.ts');
  const { Unreadable } = await import('../nginx-config/unreadable.ts');
  try {
    const told = toldMounts(mounts, process.env, (path) => readFileSync(path, 'utf8'));
    const { ok, text } = diagnoseConfig(config === true ? '-' : config, {
      ...(told && { mounts: told }),
      ...(json && { json }),
    });
    process.stdout.write(text);
    if (!ok) process.exitCode = FOUND;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const known = error instanceof Unreadable || error instanceof Failure || code !== undefined;
    if (!known) throw error;
    process.stderr.write(`postern: ${message}\n`);
    process.exitCode = CANNOT_READ;
  }
}
