import { type Command, Option } from 'commander';
import type { ApiOptions } from '../api/open.ts';
import type { DoctorSiteOptions } from '../doctor-site.ts';
import type { Environment } from '../environment.ts';
import { WrongUsage } from '../failure.ts';

export type SiteOptions = ApiOptions &
  Omit<DoctorSiteOptions, 'folders'> & { readonly files?: string };

export function addSiteOptions(doctor: Command): void {
  doctor
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
    .option('--only <ids>', 'make only these checks, with commas between', ids)
    .option('--api <url>', 'where the API listens (POSTERN_API, or http://127.0.0.1:7301)')
    .option('--key-file <file>', 'holds the API key (or POSTERN_API_KEY does)');
}

/** Attacks a site, prints what was seen, and sets the exit code. */
export async function doctorSite(
  url: string,
  options: SiteOptions,
  env: Environment,
): Promise<void> {
  const { api, keyFile, files, ...rest } = options;
  if (!/^\/([^/]+\/)*[^/]+$/.test(rest.path)) {
    throw new WrongUsage('--path: it begins with a slash, and names a file');
  }
  if (rest.internal !== undefined && !/^\/([^/]+\/)+$/.test(rest.internal)) {
    throw new WrongUsage('--internal: it begins and ends with a slash');
  }
  const { openApi } = await import('../api/open.ts');
  const { attackSite } = await import('../doctor-site.ts');
  const open = () => openApi({ api, keyFile } as ApiOptions, env);
  process.exitCode = await attackSite(url, open, { ...rest, folders: foldersOf(files) });
}

function seconds(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new WrongUsage('--decision-ttl: a whole number of seconds, at most 999');
}

function ids(value: string): string[] {
  return value.split(',').map((id) => id.trim());
}

/** Where files are often kept, for those who do not say. */
const USUAL = ['files', 'protected', 'private', 'downloads', 'uploads', 'media', 'data', 'storage'];

/** `/srv/www/files/` below a root could be `www/files` or `files`. */
function foldersOf(files: string | undefined): string[] {
  const parts = files?.split('/').filter((part) => part !== '') ?? [];
  return files === undefined ? USUAL : parts.map((_, at) => parts.slice(at).join('/'));
}
