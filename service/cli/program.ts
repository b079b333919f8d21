import { Command, CommanderError } from 'commander';
import { example } from './commands/example.ts';
import { addKey } from './commands/key.ts';
import { addServe } from './commands/serve.ts';
import { Failure } from './failure.ts';

const FAILED = 1;
const WRONG_USAGE = 2;

/** Does what the words of a command line say, and sets the exit code. */
export async function run(words: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what there is to say.
      process.exitCode = error.exitCode === 0 ? 0 : WRONG_USAGE;
      return;
    }
    const text = error instanceof Failure ? error.message : (error as Error).stack;
    process.stderr.write(`postern: ${text}\n`);
    process.exitCode = FAILED;
  }
}

/** Each command is declared here and loads what it does only when it is run. */
function createProgram(): Command {
  const program = new Command('postern')
    .description("Short-lived download tokens, and the answer to nginx's auth_request.")
    .exitOverride()
    .showHelpAfterError('(--help says more)')
    .addHelpText('after', example('postern serve'));
  for (const add of [addServe, addKey]) add(program);
  return program;
}
