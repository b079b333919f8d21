import './terminal.ts';
import { Command, CommanderError } from 'commander';
import { idLast } from './commands/id-last.ts';
import { addDoctor } from './doctor/command.ts';
import { example } from './example.ts';
import { type Environment, Failure, NoReader, WrongUsage } from './failure.ts';
import { addKey } from './key/command.ts';
import { addNginx } from './nginx/command.ts';
import { version } from './package.ts';
import { addToken } from './token/command.ts';

// For commander, which writes help itself: a closed standard output (`| head`) is not an error.

const FAILED = 1;
const WRONG_USAGE = 2;

/** Does what the words of a command line say, and sets the exit code. */
export async function run(words: readonly string[], env: Environment): Promise<void> {
  try {
    await createProgram(env).parseAsync(idLast(words), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what there is to say.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
      return;
    }
    process.exitCode = error instanceof WrongUsage ? WRONG_USAGE : FAILED;
    // A reader that closes standard output early is not an error.
    if (error instanceof NoReader) return;
    const text = error instanceof Failure ? error.message : (error as Error).stack;
    const more = error instanceof WrongUsage ? '\n(see --help)' : '';
    process.stderr.write(`postern: ${text}${more}\n`);
  }
}

/** Each command is declared here and loads what it does only when it is run. */
function createProgram(env: Environment): Command {
  const program = new Command('postern')
    .description('Short-lived download tokens for files behind nginx.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', example('postern serve'));
  for (const add of [addServe, addKey, addToken, addNginx, addDoctor]) add(program, env);
  return program;
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Run the service, configured by POSTERN_* variables and the file POSTERN_CONFIG.')
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern serve'))
    .action(async () => {
      await import('../service/main.ts');
    });
}
