import { type Command, Option } from 'commander';
import { UsageError } from '../common/errors.ts';
import { type ApiOptions, addApiOptions, collect, example, flagOf } from '../common/options.ts';
import { print } from '../common/terminal.ts';
import type { DoctorSiteOptions } from './site/tested-site.ts';

const HELP = `
With a URL, the doctor issues short-lived tokens for a canary: one of your files, which --path names. Then it
sends about 200 requests that must not get this file. They change nothing on the site. The API key comes from
POSTERN_API_KEY or --key-file.

Exit status: 0 nothing found, 1 something found, 2 usage error, or a check was not possible.`;

type SiteOptions = ApiOptions & Omit<DoctorSiteOptions, 'folders'> & { readonly files?: string };

interface Options extends SiteOptions {
  readonly config?: string | true;
  readonly mounts?: string;
  readonly protect?: readonly string[];
  readonly storage?: string | true;
}

export function addDoctor(program: Command, env: NodeJS.ProcessEnv): void {
  const doctor = program
    .command('doctor')
    .description(
      "Test your running site from outside, or check nginx's configuration or object stores.",
    )
    .argument('[url]', 'URL of the site: https://files.example/');
  addApiOptions(doctor)
    .option(
      '--path <path>',
      'the public path of the canary, an existing file',
      '/download/postern-doctor/canary.txt',
    )
    .option('--internal <prefix>', 'the internal prefix of the canary: /protected/')
    .option('--files <folder>', 'the folder in the alias of that prefix: /srv/files/')
    .addOption(
      new Option('--extensions <list>', 'try locations for these file extensions: .pdf,.docx')
        .argParser(extensions)
        .default(EXTENSIONS, EXTENSIONS.join(', ')),
    )
    .option('--connect <host:port>', 'connect to this address instead of the host of the URL')
    .addOption(
      new Option(
        '--decision-ttl <seconds>',
        'your POSTERN_DECISION_TTL, for which nginx may cache the decision on a revoked token',
      )
        .argParser(seconds)
        .default(10),
    )
    .option('--only <ids>', 'run only these checks, separated by commas', (value) =>
      value.split(',').map((id) => id.trim()),
    );
  const ofSite = doctor.options.map((option) => option.attributeName());
  doctor
    .option(
      '--config [file]',
      'the output of `nginx -VT`, or an nginx.conf; - or no value: standard input',
    )
    .option(
      '--mounts <mounts>',
      'compare with these mounts, written as in POSTERN_MOUNTS (default: those of the environment)',
    )
    .option(
      '--protect <folder>',
      'instead of the mounts: which URLs of this nginx reach this folder? repeatable; works without Postern',
      collect,
    )
    .option(
      '--storage [object]',
      'check the object stores of the mounts; optional: the name of an object below their prefix',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .addHelpText('after', example('postern doctor https://files.example/ --internal /protected/'))
    .addHelpText('after', '  nginx -VT 2>&1 | postern doctor --config')
    .addHelpText('after', '  postern doctor --storage film.mp4')
    .action(async (url: string | undefined, options: Options) => {
      const { config, storage } = options;
      if ([url, config, storage].filter((one) => one !== undefined).length !== 1) {
        throw new UsageError('pass either the URL of a site, --config or --storage');
      }
      if (url === undefined) rejectAll(ofSite, 'a URL');
      if (config === undefined) rejectAll(['mounts', 'protect'], '--config');
      if (url !== undefined) {
        process.exitCode = await doctorSite(url, options, env);
        return;
      }
      const doctorOther = config === undefined ? doctorStorage : doctorConfig;
      const { ok, text } = await doctorOther(options, env);
      await print(text);
      if (!ok) process.exitCode = 1;
    });

  function rejectAll(names: readonly string[], needed: string): void {
    const useless = names.find((name) => doctor.getOptionValueSource(name) === 'cli');
    if (useless !== undefined) {
      throw new UsageError(`${flagOf(useless)} works only with ${needed}`);
    }
  }
}

async function doctorConfig({ config, mounts, protect, json }: Options, env: NodeJS.ProcessEnv) {
  const { diagnoseConfig } = await import('./config/diagnose.ts');
  const { resolveListens, resolveMounts } = await import('../common/config.ts');
  if (protect?.some((folder) => !folder.startsWith('/'))) {
    throw new UsageError('--protect: expected the absolute path of a folder, such as /srv/files');
  }
  const known = { mounts: resolveMounts(mounts, env), ...resolveListens(env), protect };
  return diagnoseConfig(typeof config === 'string' ? config : '-', { ...known, json, env });
}

async function doctorStorage({ storage, json }: Options, env: NodeJS.ProcessEnv) {
  const { diagnoseStorages } = await import('./storage.ts');
  return diagnoseStorages(storage === true ? undefined : storage, json, env);
}

/** Tests a site, prints the results, and returns the exit code. */
async function doctorSite(url: string, options: SiteOptions, env: NodeJS.ProcessEnv) {
  const { files, path, internal } = options;
  if (!/^\/([^/]+\/)*[^/]+$/.test(path)) {
    throw new UsageError('--path: expected the path of a file, such as /download/canary.txt');
  }
  if (internal !== undefined && !/^\/([^/]+\/)+$/.test(internal)) {
    throw new UsageError('--internal: expected a prefix that begins and ends with a slash');
  }
  const { openApi } = await import('../common/api-client.ts');
  const { attackSite } = await import('./site/attack.ts');
  return attackSite(url, () => openApi(options, env), { ...options, folders: foldersOf(files) });
}

function seconds(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new UsageError('--decision-ttl: expected a whole number of seconds, at most 999');
}

/** Extensions for which sites often have locations, and those of files that sites often protect. */
const EXTENSIONS =
  '.jpg .png .gif .svg .webp .css .js .json .html .php .txt .csv .pdf .docx .xlsx .zip .gz .mp3 .mp4 .m3u8'.split(
    ' ',
  );

function extensions(value: string): readonly string[] {
  const all = value.split(',').map((one) => one.trim().replace(/^\.?/, '.'));
  if (all.every((one) => /^\.\w{1,20}$/.test(one))) return all;
  throw new UsageError('--extensions: expected file extensions, such as .pdf,.docx');
}

/** Folders to try if --files is not given. */
const USUAL = ['files', 'protected', 'private', 'downloads', 'uploads', 'media', 'data', 'storage'];

/** Below a root, `/srv/www/files/` could be `srv/www/files`, `www/files` or `files`. */
function foldersOf(files: string | undefined): string[] {
  const parts = files?.split('/').filter((part) => part !== '') ?? [];
  return files === undefined ? USUAL : parts.map((_, at) => parts.slice(at).join('/'));
}
