import { type Command, Option } from 'commander';
import { example } from '../example.ts';
import type { Environment } from '../failure.ts';
import type { NginxOptions } from './options.ts';

type Options = NginxOptions & {
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
};

export function addNginx(program: Command, env: Environment): void {
  const command = program
    .command('nginx')
    .description(
      'Generate the nginx configuration for the mounts in POSTERN_MOUNTS or POSTERN_CONFIG.',
    )
    .addOption(several('--files <[prefix=]folder>', 'the folder of an internal prefix', []))
    .addOption(
      several(
        '--proxy-target <[prefix=]url>',
        'the storage that an internal prefix proxies to',
        [],
      ),
    )
    .addOption(
      several('--listen <address>', 'the address nginx listens on: 80, 127.0.0.1:8080, [::]:80', [
        '80',
      ]),
    )
    .addOption(several('--server-name <name>', 'a site in addition to those of the mounts', []))
    .addOption(
      several(
        '--upstream <address>',
        'the address of a gate: host:port or unix:/path (default: POSTERN_LISTEN)',
        [],
      ),
    )
    .option('--x-accel', 'use X-Accel-Redirect instead of auth_request')
    .option('--cache', 'cache decisions for POSTERN_DECISION_TTL')
    .addOption(
      several('--cors <origin>', 'an origin whose pages may fetch files: https://app.example', []),
    )
    .option(
      '--login <url>',
      'the login page for browsers without a valid token: /login, https://login.example/',
    )
    .option('--limit-conn <n>', 'maximum number of simultaneous downloads per token')
    .addOption(
      new Option('--log <format>', 'access log format without tokens, or no log')
        .choices(['json', 'off'])
        .default('json'),
    )
    .addOption(
      new Option('--log-file <file>', 'the access log').default('/var/log/nginx/access.log'),
    )
    .option('--out <folder>', 'write the files to this folder of nginx: /etc/nginx')
    .option('--force', 'with --out: overwrite files that differ')
    .option('--json', 'print the files, or with --out the result, as JSON')
    .addHelpText(
      'after',
      example('postern nginx --files /srv/files --server-name files.example --out /etc/nginx'),
    );
  command.action(async ({ out, force, json, ...options }: Options) => {
    const said = Object.fromEntries(
      Object.entries(options).filter(([name]) => command.getOptionValueSource(name) === 'cli'),
    );
    const { makeNginx } = await import('./make.ts');
    const { print } = await import('../terminal.ts');
    const where = {
      ...(out !== undefined && { out }),
      ...(force && { force }),
      ...(json && { json }),
    };
    const { text, notes } = await makeNginx(options, said, where, env);
    await print(text);
    for (const note of notes) process.stderr.write(`postern: note: ${note}\n`);
  });
}

/** An option that may be repeated. */
function several(flags: string, description: string, usual: readonly string[]): Option {
  return new Option(flags, `${description}; repeatable`)
    .default(usual, usual.join(' ') || undefined)
    .argParser((value, before: readonly string[]) =>
      before === usual ? [value] : [...before, value],
    );
}
