import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { findOnPath, type Tool } from '../find-on-path.ts';
import { libraryPath } from './library-path.ts';
import { findUnpacked, unpackedAt } from './packages.ts';

export const LARAVEL_PACKAGES = [
  'php-laravel-framework',
  'php-cli',
  'php-sqlite3',
  'php-lcobucci-jwt',
  'php-guzzlehttp-guzzle',
] as const;

/** What Laravel needs and Debian does not compile in, in the order in which PHP can load them. */
const EXTENSIONS = [
  'ctype',
  'dom',
  'fileinfo',
  'iconv',
  'intl',
  'mbstring',
  'pdo',
  'pdo_sqlite',
  'tokenizer',
];

/** PHP with Laravel in its include path; undefined until the packages are unpacked. */
export function findLaravel(): Tool | undefined {
  const roots = LARAVEL_PACKAGES.map(unpackedAt);
  const program = findUnpacked('php-cli', 'php.default')?.path ?? findOnPath('php');
  if (!program || !roots.every((root) => existsSync(root))) return undefined;
  const merged = unpackedAt('laravel');
  if (!existsSync(merged)) merge(['/', ...roots], merged);
  const libraries = roots.map((root) => libraryPath(root, '')).filter(Boolean);
  return {
    path: program,
    env: {
      PHPRC: join(merged, 'php.ini'),
      PHP_INI_SCAN_DIR: '',
      LARAVEL_ROOT: merged,
      ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(':') }),
    },
  };
}

/**
 * In Debian's packages, each autoload.php names those of its dependencies by their full path. Here PHP looks
 * them up in its include path, so that the folder can be moved.
 */
function merge(roots: readonly string[], into: string): void {
  const work = mkdtempSync(join(dirname(into), 'merge-'));
  for (const root of roots) {
    for (const part of ['usr/share/php', 'usr/lib/php']) {
      const from = join(root, part);
      if (existsSync(from)) cpSync(from, join(work, part), { recursive: true });
    }
  }
  const classes = join(work, 'usr/share/php');
  for (const name of readdirSync(classes, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('autoload.php')) continue;
    const file = join(classes, name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replaceAll("'/usr/share/php/", "'"));
  }
  writeFileSync(join(work, 'php.ini'), ini(work));
  try {
    renameSync(work, into);
  } catch {
    // Another process was faster.
    rmSync(work, { recursive: true, force: true });
  }
}

function ini(work: string): string {
  const api = readdirSync(join(work, 'usr/lib/php')).find((name) => /^\d{8}$/.test(name));
  return [
    `include_path = "\${LARAVEL_ROOT}/usr/share/php"`,
    `extension_dir = "\${LARAVEL_ROOT}/usr/lib/php/${api}"`,
    ...EXTENSIONS.map((name) => `extension = ${name}`),
    // Debian's PHP is newer than its Laravel.
    'error_reporting = E_ALL & ~E_DEPRECATED',
    'display_errors = stderr',
    '',
  ].join('\n');
}
