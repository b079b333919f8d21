import { type Command, Option } from 'commander';
import type { ApiOptions, Environment } from '../api/open.ts';
import type { DoctorSiteOptions } from '../doctor-site.ts';
import { WrongUsage } from '../failure.ts';
import { example } from './example.ts';

type Options = ApiOptions & Omit<DoctorSiteOptions, 'folders'> & { readonly files?: string };

const HELP = `
It issues short tokens for a file of yours that --path names, a canary, and tries what must not open
it: about 300 requests, which change nothing. The API key comes from POSTERN_API_KEY or --key-file.

Exit codes: 0 the gate holds, 1 it does not, 2 it could not be tested.`;

export function addDoctor(program: Command, env: Environment): void {
  program
    .command('doctor')
    .description('Attack a running site of yours, and say whether the gate holds.')
    .argument('<url>', 'of the site: https://files.example/')
    .option(
      '--path <path>',
      'the canary, a file that is there',
      '/download/postern-doctor/canary.txt',
    )
    .option('--internal <prefix>', 'the internal prefix that serves it: /protected/')
    .option('--files <folder>', 'the folder on the disk in which that looks: /srv/files/')
    .option('--access-log <file>', "nginx's, to look for tokens in it")
    .option('--connect <host:port>', 'connect there, and not to the host of the URL')
    .addOption(
      new Option(
        '--decision-ttl <seconds>',
        'by how much a revocation may be late: POSTERN_DECISION_TTL',
      )
        .argParser(seconds)
        .default(10),
    )
    .option('--api <url>', 'where the API listens (POSTERN_API, or http://127.0.0.1:7301)')
    .option('--key-file <file>', 'holds the API key (or POSTERN_API_KEY does)')
    .option(
      '--only <ids>',
      'make only these checks, by their ids in --json, with commas between',
      ids,
    )
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .addHelpText('after', example('postern doctor https://files.example/ --internal /protected/'))
    .action(async (url: string, { api, keyFile, files, ...options }: Options) => {
      if (!/^\/([^/]+\/)*[^/]+$/.test(options.path)) {
        throw new WrongUsage('--path: it begins with a slash, and names a file');
      }
      if (options.internal !== undefined) checkPrefix('--internal', options.internal);
      const { openApi } = await import('../api/open.ts');
      const open = () => openApi({ api, keyFile } as ApiOptions, env);
      const { doctorSite } = await import('../doctor-site.ts');
      process.exitCode = await doctorSite(url, open, { ...options, folders: foldersOf(files) });
    });
}

function seconds(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new WrongUsage('--decision-ttl: a whole number of seconds, at most 999');
}

function ids(value: string): string[] {
  return value.split(',').map((id) => id.trim());
}

function checkPrefix(option: string, prefix: string): void {
  if (/^\/([^/]+\/)*$/.test(prefix)) return;
  throw new WrongUsage(`${option}: it begins with a slash, and a prefix ends with one`);
}

/** Where files are often kept, for those who do not say. */
const USUAL = ['files', 'protected', 'private', 'downloads', 'uploads', 'media', 'data', 'storage'];

/** `/srv/www/files/` below a root could be `www/files` or `files`. */
function foldersOf(files: string | undefined): string[] {
  const parts = files?.split('/').filter((part) => part !== '') ?? [];
  return files === undefined ? USUAL : parts.map((_, at) => parts.slice(at).join('/'));
}
