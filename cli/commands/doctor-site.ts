import { type Command, Option } from 'commander';
import type { ApiOptions } from '../api/open.ts';
import type { DoctorSiteOptions } from '../doctor-site.ts';
import type { Environment } from '../environment.ts';
import { WrongUsage } from '../failure.ts';

export type SiteOptions = ApiOptions &
  Omit<DoctorSiteOptions, 'folders'> & { readonly files?: string };

export function addSiteOptions(doctor: Command): void {
  doctor
    .option('--path <path>', 'the canary, an existing file', '/download/postern-doctor/canary.txt')
    .option('--internal <prefix>', 'the internal prefix that serves it: /protected/')
    .option('--files <folder>', 'the folder of its alias: /srv/files/')
    .option('--access-log <file>', "nginx's access log, to search for tokens")
    .option('--connect <host:port>', 'connect to this address instead of the host of the URL')
    .addOption(
      new Option(
        '--decision-ttl <seconds>',
        'your POSTERN_DECISION_TTL: how late a revocation may take effect',
      )
        .argParser(seconds)
        .default(10),
    )
    .option('--only <ids>', 'run only these checks, separated by commas', ids)
    .option('--api <url>', 'URL of the API (default: POSTERN_API, or http://127.0.0.1:7301)')
    .option('--key-file <file>', 'a file that contains the API key (default: POSTERN_API_KEY)');
}

/** Attacks a site, prints what was seen, and sets the exit code. */
export async function doctorSite(
  url: string,
  options: SiteOptions,
  env: Environment,
): Promise<void> {
  const { api, keyFile, files, ...rest } = options;
  if (!/^\/([^/]+\/)*[^/]+$/.test(rest.path)) {
    throw new WrongUsage('--path: expected the path of a file, such as /download/canary.txt');
  }
  if (rest.internal !== undefined && !/^\/([^/]+\/)+$/.test(rest.internal)) {
    throw new WrongUsage('--internal: expected a prefix that begins and ends with a slash');
  }
  const { openApi } = await import('../api/open.ts');
  const { attackSite } = await import('../doctor-site.ts');
  const open = () => openApi({ api, keyFile } as ApiOptions, env);
  process.exitCode = await attackSite(url, open, { ...rest, folders: foldersOf(files) });
}

function seconds(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new WrongUsage('--decision-ttl: expected a whole number of seconds, at most 999');
}

function ids(value: string): string[] {
  return value.split(',').map((id) => id.trim());
}

/** Usual folders, if --files is not given. */
const USUAL = ['files', 'protected', 'private', 'downloads', 'uploads', 'media', 'data', 'storage'];

/** `/srv/www/files/` below a root could be `www/files` or `files`. */
function foldersOf(files: string | undefined): string[] {
  const parts = files?.split('/').filter((part) => part !== '') ?? [];
  return files === undefined ? USUAL : parts.map((_, at) => parts.slice(at).join('/'));
}
