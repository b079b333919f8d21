import { Command, CommanderError } from 'commander';
import { addDoctor } from './commands/doctor.ts';
import { example } from './commands/example.ts';
import { idLast } from './commands/id-last.ts';
import { addKey } from './commands/key.ts';
import { addNginx } from './commands/nginx.ts';
import { addServe } from './commands/serve.ts';
import { addToken } from './commands/token.ts';
import type { Environment } from './environment.ts';
import { Failure, NoReader, WrongUsage } from './failure.ts';
import { version } from './nginx/package.ts';
// For commander, which writes help itself: a closed standard output (`| head`) is not an error.
import './output.ts';

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
