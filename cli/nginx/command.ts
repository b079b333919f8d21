import { type Command, Option } from 'commander';
import type { Environment } from '../../service/config/environment.ts';
import { collect, example } from '../options.ts';
import { print } from '../terminal.ts';
import type { NginxOptions } from './plan.ts';

/** The options as given on the command line, without defaults. */
type Options = Partial<NginxOptions> & {
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
};

export function addNginx(program: Command, env: Environment): void {
  const nginx = program
    .command('nginx')
    .description(
      'Generate the nginx configuration for the mounts in POSTERN_MOUNTS or POSTERN_CONFIG.',
    );
  const repeatable = (flags: string, description: string) =>
    nginx.addOption(new Option(flags, `${description}; repeatable`).argParser(collect));
  repeatable('--files <[prefix=]folder>', 'the folder of an internal prefix');
  repeatable('--proxy-target <[prefix=]url>', 'the storage that an internal prefix proxies to');
  repeatable(
    '--resolver <address>',
    'a DNS server, to look up the storage of a mount again: 127.0.0.53',
  );
  repeatable(
    '--listen <address>',
    'the address nginx listens on: 80, 127.0.0.1:8080, [::]:80 (default: 80)',
  );
  repeatable('--server-name <name>', 'a site in addition to those of the mounts');
  repeatable(
    '--upstream <address>',
    'the address of a gate: host:port or unix:/path (default: POSTERN_LISTEN)',
  );
  nginx
    .option(
      '--instances <n>',
      'the gates of the systemd units postern@1 to postern@n: unix:/run/postern-1/gate.sock …',
    )
    .option('--x-accel', 'use X-Accel-Redirect instead of auth_request')
    .option('--cache', 'cache decisions for POSTERN_DECISION_TTL');
  repeatable('--cors <origin>', 'an origin whose pages may fetch files: https://app.example');
  nginx
    .option(
      '--login <url>',
      'the login page for browsers without a valid token: /login, https://login.example/',
    )
    .option('--listing', 'show the folder of a token with listing')
    .option(
      '--pages <folder>',
      'with --out or --json: your logo, colours and texts for the pages that people see',
    )
    .option('--limit-conn <n>', 'maximum number of simultaneous downloads per token')
    .addOption(
      new Option(
        '--log <format>',
        'access log format without tokens, or no log (default: json)',
      ).choices(['json', 'off']),
    )
    .option('--log-file <file>', 'the access log (default: /var/log/nginx/access.log)')
    .option('--out <folder>', 'write the files to this folder of nginx: /etc/nginx')
    .option('--force', 'with --out: overwrite files that differ')
    .option('--json', 'print the files, or with --out the result, as JSON')
    .addHelpText(
      'after',
      example('postern nginx --files /srv/files --server-name files.example --out /etc/nginx'),
    )
    .action(async ({ out, force, json, ...options }: Options) => {
      const { makeNginx } = await import('./make.ts');
      const { text, notes } = await makeNginx(options, { out, force, json }, env);
      await print(text);
      for (const note of notes) process.stderr.write(`postern: note: ${note}\n`);
    });
}
