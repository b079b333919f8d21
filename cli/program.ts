import { Command, CommanderError } from 'commander';
import { Failure, UsageError } from '../common/errors.ts';
import { example } from '../common/options.ts';
import { version } from '../common/package.ts';
// It handles a closed standard output, also for the help that commander prints.
import { StdoutClosed } from '../common/terminal.ts';
import { addDoctor } from '../doctor/command.ts';
import { addKey } from './key/command.ts';
import { addNginx } from './nginx/command.ts';
import { addToken } from './token/command.ts';

const FAILED = 1;
const WRONG_USAGE = 2;

/** Runs a command line, and sets the exit code. */
export async function run(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    // Other commands, and their help, start faster without the settings.
    const [command = '', ...options] = words;
    const isHelp = options.includes('--help') || options.includes('-h') || command === 'help';
    const showsSettings = isHelp && ['serve', 'check', 'help'].includes(command);
    const settings = showsSettings ? await import('../service/config/settings.ts') : undefined;
    await createProgram(env, settings?.settingsHelp()).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed the message.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
      return;
    }
    process.exitCode = error instanceof UsageError ? WRONG_USAGE : FAILED;
    // A reader that closes standard output early is not an error.
    if (error instanceof StdoutClosed) return;
    const text = error instanceof Failure ? error.message : (error as Error).stack;
    const more = error instanceof UsageError ? '\n(see --help)' : '';
    process.stderr.write(`postern: ${text}${more}\n`);
  }
}

/** Commands are declared here, and load their code only when they run. */
export function createProgram(env: NodeJS.ProcessEnv, settingsHelp = ''): Command {
  const program = new Command('postern')
    .description('Short-lived download tokens for files behind nginx.')
    .version(version())
    // Otherwise a token ID that begins with -V prints the version.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', example('postern serve'));
  program
    .command('serve')
    .description('Run the service, configured by POSTERN_* variables and the file POSTERN_CONFIG.')
    .addHelpText('after', settingsHelp)
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern serve'))
    .action(async () => void (await import('../service/main.ts')));
  program
    .command('check')
    .description('Check the configuration and the key files as the service reads them, and exit.')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', settingsHelp)
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern check'))
    .action(async ({ json }: { readonly json?: true }) => {
      const { check } = await import('./check.ts');
      await check(env, json);
    });
  program
    .command('health')
    .description(
      'Check that the service with this configuration answers on each listener, and exit.',
    )
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern health'))
    .action(async () => {
      const { checkHealth } = await import('./health.ts');
      await checkHealth(env);
    });
  for (const add of [addKey, addToken, addNginx, addDoctor]) add(program, env);
  return program;
}
