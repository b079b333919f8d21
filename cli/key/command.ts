import { type Command, Option } from 'commander';
import { example } from '../options.ts';
import { ALGORITHMS } from './file.ts';
import type { GenerateOptions } from './keys.ts';

export function addKey(program: Command): void {
  const key = program
    .command('key')
    .description('Generate and list the keys that sign JWTs.')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'));

  key
    .command('generate')
    .description(
      'Generate a key in a file (JWKS) that only its owner can read, or on standard output.',
    )
    .addOption(
      new Option(
        '--alg <alg>',
        'algorithm (default: EdDSA; with --rotate that of the current key)',
      ).choices(ALGORITHMS),
    )
    .option('--out <file>', 'a new file; with --rotate, an existing file')
    .option('--rotate', 'add the key before the existing keys, which still verify their tokens')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', example('postern key generate --out /etc/postern/keys.json'))
    .action(async (options: GenerateOptions, command: Command) => {
      if (options.rotate && options.out === undefined) {
        command.error("error: option '--rotate' requires '--out <file>'");
      }
      const { generateKey } = await import('./keys.ts');
      process.stdout.write(await generateKey(options));
    });

  key
    .command('list')
    .description('List the keys of a file and their algorithms, without private keys.')
    .argument('<file>', 'a JWKS file')
    .option('--json', 'print JSON')
    .addHelpText('after', example('postern key list /etc/postern/keys.json'))
    .action(async (file: string, options: { readonly json?: true }) => {
      const { listKeys } = await import('./keys.ts');
      process.stdout.write(await listKeys(file, options));
    });
}
