import { type Command, Option } from 'commander';
import type { GenerateOptions } from '../key-generate.ts';
import { ALGORITHMS } from '../new-key.ts';
import { example } from './example.ts';

export function addKey(program: Command): void {
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
      const { generateKey } = await import('../key-generate.ts');
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
      const { listKeys } = await import('../key-list.ts');
      process.stdout.write(await listKeys(file, options));
    });
}
