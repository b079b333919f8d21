import { Command, CommanderError, Option } from 'commander';
import { addDoctor } from './commands/doctor.ts';
import { example } from './commands/example.ts';
import { Failure } from './failure.ts';
import type { GenerateOptions } from './key-generate.ts';
import { ALGORITHMS } from './new-key.ts';

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

function createProgram(): Command {
  const program = new Command('postern')
    .description("Short-lived download tokens, and the answer to nginx's auth_request.")
    .exitOverride()
    .showHelpAfterError('(--help says more)')
    .addHelpText('after', example('postern serve'));

  program
    .command('serve')
    .description('Run the service. Its environment and POSTERN_CONFIG say how.')
    .addHelpText('after', example('POSTERN_CONFIG=/etc/postern/postern.yaml postern serve'))
    .action(async () => {
      await import('../main.ts');
    });

  const key = program
    .command('key')
    .description('Make and list the keys that sign JWTs.')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'));

  key
    .command('generate')
    .description(
      'Make a key, in a file (JWKS) that only its owner can read, or on standard output.',
    )
    .addOption(
      new Option(
        '--alg <alg>',
        'what it signs with (EdDSA, or with --rotate that of the key that signs now)',
      ).choices(ALGORITHMS),
    )
    .option('--out <file>', 'a new file; with --rotate, one that is there')
    .option('--rotate', 'put the key before those of the file, which still verify what they signed')
    .option('--json', 'say what was done as JSON')
    .addHelpText('after', example('postern key generate --out /etc/postern/keys.json'))
    .action(async (options: GenerateOptions, command: Command) => {
      if (options.rotate && options.out === undefined) {
        command.error("error: option '--rotate' needs '--out <file>'");
      }
      const { generateKey } = await import('./key-generate.ts');
      process.stdout.write(await generateKey(options));
    });

  key
    .command('list')
    .description(
      'Show the keys of a file: which signs, and with what. Private parts are not shown.',
    )
    .argument('<file>', 'a JWKS file')
    .option('--json', 'as JSON')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'))
    .action(async (file: string, options: { readonly json?: true }) => {
      const { listKeys } = await import('./key-list.ts');
      process.stdout.write(await listKeys(file, options));
    });

  addDoctor(program);
  return program;
}
