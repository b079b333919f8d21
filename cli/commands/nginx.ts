import { type Command, Option } from 'commander';
import type { Environment } from '../environment.ts';
import type { NginxOptions } from '../nginx/options.ts';
import { example } from './example.ts';

type Options = NginxOptions & {
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
};

export function addNginx(program: Command, env: Environment): void {
  const command = program
    .command('nginx')
    .description("Make nginx's configuration of the mounts in POSTERN_MOUNTS or POSTERN_CONFIG.")
    .addOption(
      several('--files <[prefix=]folder>', 'where the files of an internal prefix lie', []),
    )
    .addOption(several('--proxy-target <[prefix=]url>', 'or the storage that it proxies to', []))
    .addOption(
      several('--listen <address>', 'what nginx listens on: 80, 127.0.0.1:8080, [::]:80', ['80']),
    )
    .addOption(several('--server-name <name>', 'a site beside those of the mounts', []))
    .addOption(
      several('--upstream <address>', 'a gate: host:port or unix:/path (POSTERN_LISTEN)', []),
    )
    .option('--x-accel', 'ask by X-Accel-Redirect instead of auth_request')
    .option('--cache', 'use the answers of the gate again, for POSTERN_DECISION_TTL')
    .addOption(several('--cors <origin>', 'whose pages may fetch files: https://app.example', []))
    .option(
      '--login <url>',
      'where a browser without a good token is sent: /login, https://login.example/',
    )
    .option('--limit-conn <n>', 'downloads of one token at once')
    .addOption(
      new Option('--log <format>', 'of the access log: one without tokens, or none')
        .choices(['json', 'off'])
        .default('json'),
    )
    .addOption(
      new Option('--log-file <file>', 'the access log').default('/var/log/nginx/access.log'),
    )
    .option('--out <folder>', "write it into this folder, as nginx's own: /etc/nginx")
    .option('--force', 'with --out: replace what is there and different')
    .option('--json', 'the files, or with --out what was done, as JSON')
    .addHelpText(
      'after',
      example('postern nginx --files /srv/files --server-name files.example --out /etc/nginx'),
    );
  command.action(async ({ out, force, json, ...options }: Options) => {
    const said = Object.fromEntries(
      Object.entries(options).filter(([name]) => command.getOptionValueSource(name) === 'cli'),
    );
    const { makeNginx } = await import('../nginx/make.ts');
    const { print } = await import('../output.ts');
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
  return new Option(flags, `${description}; may be repeated`)
    .default(usual, usual.join(' ') || undefined)
    .argParser((value, before: readonly string[]) =>
      before === usual ? [value] : [...before, value],
    );
}
