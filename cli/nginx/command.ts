import { type Command, Option } from 'commander';
import { collect, example } from '../../common/options.ts';
import { print } from '../../common/terminal.ts';
import type { NginxOptions, Output } from './plan.ts';

type Options = NginxOptions & Output;

export function addNginx(program: Command, env: NodeJS.ProcessEnv): void {
  const nginx = program
    .command('nginx')
    .description(
      'Generate the nginx configuration for the mounts in POSTERN_MOUNTS or POSTERN_CONFIG.',
    );
  const repeatable = (flags: string, description: string) =>
    nginx.addOption(new Option(flags, `${description}; repeatable`).argParser(collect));
  repeatable('--files <[prefix=]folder>', 'the folder of an internal prefix');
  repeatable('--proxy-target <[prefix=]url>', 'the server that an internal prefix proxies to');
  repeatable(
    '--resolver <address>',
    'a DNS server, such as 127.0.0.53: nginx then looks up the host of an object store again',
  );
  repeatable(
    '--server-name <names>',
    'a site in addition to those of the mounts, with its names: files.example,www.files.example',
  );
  nginx.option('--server', 'also write a whole server block for each site');
  repeatable(
    '--listen <address>',
    'with --server: the address nginx listens on: 443, 127.0.0.1:8080, [::]:443 (default: 443 with TLS, else 80)',
  );
  nginx
    .option('--tls-certificate <file>', 'with --server: the certificate of the sites, in PEM')
    .option('--tls-key <file>', 'with --server: its key');
  repeatable(
    '--upstream <address>',
    'the address of a gate: host:port or unix:/path (default: POSTERN_LISTEN)',
  );
  nginx
    .option('--x-accel', 'use X-Accel-Redirect instead of auth_request')
    .option(
      '--slices [folder]',
      'end running downloads when a token is revoked; the folder of the inner sockets (default: /run/nginx-slices)',
    )
    .option(
      '--cache [folder]',
      'cache decisions for POSTERN_DECISION_TTL (default folder: /run/postern-decisions)',
    );
  repeatable('--cors <origin>', 'an origin whose pages may fetch files: https://app.example');
  nginx
    .option(
      '--login <url>',
      'the login page for browsers without a valid token: /login, https://login.example/',
    )
    .option('--listing', 'show the folder of a token with listing')
    .option('--disable-symlinks', 'serve no file through a symbolic link')
    .option(
      '--error-pages',
      "show the error pages of your server block for denials and errors instead of Postern's",
    )
    .option('--limit-conn <n>', 'maximum number of simultaneous downloads per token')
    .option(
      '--log <file>',
      'the access log, which has no tokens, or off (default: that of your server block, or /var/log/nginx/access.log)',
    )
    .option('--out <folder>', 'write the files to this folder of nginx: /etc/nginx')
    .option('--force', 'with --out: overwrite files that differ, except postern/local.conf')
    .option(
      '--upgrade',
      'with --out: only replace the snippets there with those of this version of Postern',
    )
    .option('--json', 'print the files, or with --out the result, as JSON')
    .addHelpText(
      'after',
      example('postern nginx --files /srv/files --server-name files.example --out /etc/nginx'),
    )
    .action(async ({ out, force, json, upgrade, ...options }: Options) => {
      const { makeNginx } = await import('./make.ts');
      const { text, notes } = await makeNginx(options, { out, force, json, upgrade }, env);
      await print(text);
      for (const note of notes) process.stderr.write(`postern: note: ${note}\n`);
    });
}
