import { type Command, Option } from 'commander';
import type { Environment } from '../../service/config/environment.ts';
import { UsageError } from '../errors.ts';
import { type ApiOptions, addApiOptions, example, flagOf } from '../options.ts';
import { print } from '../terminal.ts';
import type { DoctorSiteOptions } from './site/doctor.ts';

const HELP = `
With a URL the doctor issues short-lived tokens for a canary, a file of yours that --path names, and sends
about 250 requests that must not open it. They change nothing. The API key comes from POSTERN_API_KEY or
--key-file.

Exit status: 0 nothing found, 1 something found, 2 could not read or test.`;

export function addDoctor(program: Command, env: Environment): void {
  const doctor = program
    .command('doctor')
    .description(
      "Test a running site of yours from outside, or check nginx's configuration or object stores.",
    )
    .argument('[url]', 'URL of the site: https://files.example/');
  const ofSite = added(doctor, addSiteOptions);
  const ofConfig = added(doctor, addConfigOptions);
  doctor
    .option(
      '--storage [object]',
      'check the object stores of the mounts; with the name of an object below their prefix',
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
      rejectOthers(ofSite, url === undefined, 'a URL');
      rejectOthers(ofConfig, config === undefined, '--config');
      if (storage !== undefined) return doctorStorage(storage, options, env);
      await (url === undefined ? doctorConfig(options, env) : doctorSite(url, options, env));
    });

  function rejectOthers(names: readonly string[], areUseless: boolean, needed: string): void {
    const useless = names.find((name) => doctor.getOptionValueSource(name) === 'cli');
    if (!areUseless || useless === undefined) return;
    throw new UsageError(`${flagOf(useless)} works only with ${needed}`);
  }
}

function added(command: Command, add: (command: Command) => void): string[] {
  const before = command.options.length;
  add(command);
  return command.options.slice(before).map((option) => option.attributeName());
}

interface ConfigOptions {
  readonly config?: string | true;
  readonly mounts?: string;
  readonly json?: true;
}

function addConfigOptions(doctor: Command): void {
  doctor
    .option(
      '--config [file]',
      'the output of `nginx -VT`, or an nginx.conf; - or no value: standard input',
    )
    .option(
      '--mounts <mounts>',
      'the mounts to compare with, as in POSTERN_MOUNTS (default: those of the environment)',
    );
}

/** Checks a configuration, prints the findings, and sets the exit code. */
async function doctorConfig(options: ConfigOptions, env: Environment): Promise<void> {
  const { config = true, mounts, json } = options;
  const { diagnoseConfig } = await import('./config/doctor.ts');
  const { resolveMounts } = await import('../config.ts');
  const { ok, text } = diagnoseConfig(config === true ? '-' : config, {
    mounts: resolveMounts(mounts, env),
    json,
  });
  await print(text);
  if (!ok) process.exitCode = 1;
}

type Options = ConfigOptions & SiteOptions & { readonly storage?: string | true };

/** Checks the object stores, prints the findings, and sets the exit code. */
async function doctorStorage(
  storage: string | true,
  { json }: Options,
  env: Environment,
): Promise<void> {
  const { diagnoseStorages } = await import('./storage/doctor.ts');
  const options = { ...(storage !== true && { object: storage }), ...(json && { json }) };
  const { ok, text } = await diagnoseStorages(options, env);
  await print(text);
  if (!ok) process.exitCode = 1;
}

type SiteOptions = ApiOptions & Omit<DoctorSiteOptions, 'folders'> & { readonly files?: string };

function addSiteOptions(doctor: Command): void {
  addApiOptions(doctor)
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
    .option('--only <ids>', 'run only these checks, separated by commas', (value) =>
      value.split(',').map((id) => id.trim()),
    );
}

/** Tests a site, prints the results, and sets the exit code. */
async function doctorSite(url: string, options: SiteOptions, env: Environment): Promise<void> {
  const { api, keyFile, files, ...rest } = options;
  if (!/^\/([^/]+\/)*[^/]+$/.test(rest.path)) {
    throw new UsageError('--path: expected the path of a file, such as /download/canary.txt');
  }
  if (rest.internal !== undefined && !/^\/([^/]+\/)+$/.test(rest.internal)) {
    throw new UsageError('--internal: expected a prefix that begins and ends with a slash');
  }
  const { openApi } = await import('../api-client.ts');
  const { attackSite } = await import('./site/doctor.ts');
  const open = () => openApi({ api, keyFile } as ApiOptions, env);
  process.exitCode = await attackSite(url, open, { ...rest, folders: foldersOf(files) });
}

function seconds(value: string): number {
  if (/^\d{1,3}$/.test(value)) return Number(value);
  throw new UsageError('--decision-ttl: expected a whole number of seconds, at most 999');
}

/** Folders to try if --files is not given. */
const USUAL = ['files', 'protected', 'private', 'downloads', 'uploads', 'media', 'data', 'storage'];

/** Below a root, `/srv/www/files/` could be `srv/www/files`, `www/files` or `files`. */
function foldersOf(files: string | undefined): string[] {
  const parts = files?.split('/').filter((part) => part !== '') ?? [];
  return files === undefined ? USUAL : parts.map((_, at) => parts.slice(at).join('/'));
}
