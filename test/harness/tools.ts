import { existsSync } from 'node:fs';
import { canFetch, fetchPackages, findUnpacked } from './debian/packages.ts';
import { findLaravel, LARAVEL_PACKAGES } from './debian/php.ts';
import { findPython } from './debian/python.ts';
import { findRails, RAILS_PACKAGES } from './debian/ruby.ts';
import { findOnPath, type Tool } from './find-on-path.ts';

/**
 * The programs that tests, benchmarks and the demo run. `debian` is the package on Debian and Ubuntu,
 * `elsewhere` its name in Homebrew, Alpine and Fedora.
 */
const recipes = {
  nginx: { debian: 'nginx', elsewhere: 'nginx' },
  'redis-server': { debian: 'redis-server', elsewhere: 'redis' },
  'valkey-server': { debian: 'valkey-server', elsewhere: 'valkey' },
  wrk: { debian: 'wrk', elsewhere: 'wrk' },
  curl: { debian: 'curl', elsewhere: 'curl' },
  wget: { debian: 'wget', elsewhere: 'wget' },
  aria2c: { debian: 'aria2', elsewhere: 'aria2' },
  ffmpeg: { debian: 'ffmpeg', elsewhere: 'ffmpeg' },
  ffprobe: { debian: 'ffmpeg', elsewhere: 'ffmpeg' },
  chromium: { debian: 'chromium', elsewhere: 'chromium' },
  'firefox-esr': { debian: 'firefox-esr', elsewhere: 'firefox' },
  // An installation would create the link `php`.
  php: { debian: 'php-cli', unpacked: 'php.default', elsewhere: 'php' },
  go: { debian: 'golang-go', elsewhere: 'go' },
  'systemd-analyze': { debian: 'systemd', elsewhere: 'systemd' },
  python3: { debian: 'python3', elsewhere: 'python3' },
  ss: { debian: 'iproute2', elsewhere: 'iproute2' },
  prometheus: { debian: 'prometheus', elsewhere: 'prometheus' },
  strace: { debian: 'strace', elsewhere: 'strace' },
  lintian: { debian: 'lintian', elsewhere: 'lintian' },
  haproxy: { debian: 'haproxy', elsewhere: 'haproxy' },
  caddy: { debian: 'caddy', elsewhere: 'caddy' },
  unzip: { debian: 'unzip', elsewhere: 'unzip' },
  promtool: { debian: 'prometheus', elsewhere: 'prometheus' },
} as const;

/** A Python that has the modules, instead of a program. */
const pythons = {
  // PyJWT needs `cryptography` for EdDSA and ES256. It is not a dependency of Debian's package.
  'python3-jwt': {
    modules: ['jwt', 'cryptography'],
    packages: ['python3-jwt', 'python3-cryptography'],
    elsewhere: 'python3 on PATH must have PyJWT: pip install "pyjwt[crypto]"',
  },
  // The cache of Django needs the Redis client.
  'python3-django': {
    modules: ['django', 'gunicorn', 'redis'],
    packages: ['python3-django', 'gunicorn', 'python3-redis'],
    elsewhere: 'python3 on PATH must have Django: pip install django gunicorn redis',
  },
  // The package of Django and its example need this.
  'django-postern': {
    modules: ['django', 'jwt', 'cryptography', 'PIL', 'uvicorn'],
    packages: [
      'python3-django',
      'python3-jwt',
      'python3-cryptography',
      'python3-pil',
      'python3-uvicorn',
    ],
    elsewhere:
      'python3 on PATH must have Django: pip install django "pyjwt[crypto]" pillow uvicorn',
  },
  'python3-django-storages': {
    modules: ['django', 'storages.compress', 'boto3'],
    packages: ['python3-django', 'python3-django-storages-s3'],
    elsewhere: 'python3 on PATH must have django-storages: pip install "django-storages[s3]"',
  },
  'python3-setuptools': {
    // Version 77 has it. Older ones reject the license of the packages.
    modules: ['setuptools._vendor.packaging.licenses'],
    packages: ['python3-setuptools'],
    elsewhere: 'python3 on PATH must have setuptools: pip install -U setuptools',
  },
  // The Python client, with the frameworks of its views.
  'postern-downloads': {
    modules: ['mypy', 'jwt', 'cryptography', 'flask', 'fastapi'],
    packages: [
      'python3-mypy',
      'python3-jwt',
      'python3-cryptography',
      'python3-flask',
      'python3-fastapi',
    ],
    elsewhere:
      'python3 on PATH must have Flask, FastAPI: pip install mypy "pyjwt[crypto]" flask fastapi',
  },
  'python3-flask': {
    modules: ['flask'],
    packages: ['python3-flask'],
    elsewhere: 'python3 on PATH must have Flask: pip install flask',
  },
  'python3-fastapi': {
    modules: ['fastapi', 'uvicorn', 'itsdangerous'],
    packages: ['python3-fastapi', 'python3-uvicorn', 'python3-itsdangerous'],
    elsewhere: 'python3 on PATH must have FastAPI: pip install fastapi uvicorn itsdangerous',
  },
  'python3-authlib': {
    modules: ['authlib', 'requests'],
    packages: ['python3-authlib', 'python3-requests'],
    elsewhere: 'python3 on PATH must have Authlib: pip install authlib requests',
  },
  // A real S3 server. botocore signs, to compare with.
  'python3-swift': {
    modules: ['swift.proxy.server', 'botocore.auth'],
    packages: ['python3-swift', 'python3-botocore'],
    elsewhere: 'python3 on PATH must have OpenStack Swift: pip install swift botocore',
  },
  // The AWS CLI, version 2.
  'python3-awscli': {
    modules: ['awscli.customizations.configure.exportcreds'],
    packages: ['awscli'],
    elsewhere: 'python3 on PATH must have the AWS CLI 2',
  },
} as const;

/** An interpreter with a framework that only Debian and Ubuntu have as packages. */
const frameworks = {
  laravel: { find: findLaravel, packages: LARAVEL_PACKAGES },
  rails: { find: findRails, packages: RAILS_PACKAGES },
} as const;

type Python = keyof typeof pythons;
type Framework = keyof typeof frameworks;
export type ToolName = keyof typeof recipes | Python | Framework;

/**
 * Finds a program on PATH. On Debian and Ubuntu a missing program is unpacked into .cache/ and not
 * installed. On other systems the error names the package to install.
 */
export async function findTool(name: ToolName): Promise<Tool> {
  const tools = await ensureTools([name]);
  return tools[name];
}

/** Like findTool, for several programs in one download. */
export async function ensureTools<N extends ToolName>(names: N[]): Promise<Record<N, Tool>> {
  const missing = names.filter((name) => !locate(name));
  if (missing.length > 0) {
    if (!canFetch()) throw new Error(howToInstall(missing));
    await fetchPackages(unique(missing.flatMap(packagesOf)));
  }
  return Object.fromEntries(names.map((name) => [name, located(name)])) as Record<N, Tool>;
}

function packagesOf(name: ToolName): readonly string[] {
  if (isFramework(name)) return frameworks[name].packages;
  return isPython(name) ? pythons[name].packages : [recipes[name].debian];
}

function isFramework(name: ToolName): name is Framework {
  return name in frameworks;
}

function isPython(name: ToolName): name is Python {
  return name in pythons;
}

function locate(name: ToolName): Tool | undefined {
  if (isFramework(name)) return frameworks[name].find();
  if (isPython(name)) return findPython(pythons[name].modules, pythons[name].packages);
  const path = findOnPath(name);
  const recipe = recipes[name];
  const file = 'unpacked' in recipe ? recipe.unpacked : name;
  return path ? { path, env: {} } : findUnpacked(recipe.debian, file);
}

function located(name: ToolName): Tool {
  const tool = locate(name);
  if (!tool) throw new Error(`no ${name} in Debian's ${packagesOf(name).join(' and ')}`);
  return tool;
}

export function howToInstall(
  names: ToolName[],
  platform: NodeJS.Platform = process.platform,
  exists: (path: string) => boolean = existsSync,
): string {
  // A Python module is always requested alone, and has another name on each system.
  const python = names.find(isPython);
  if (python !== undefined) return pythons[python].elsewhere;
  const framework = names.find(isFramework);
  if (framework !== undefined) return `${framework}: only Debian and Ubuntu have it as packages`;
  const programs = names.filter((name) => !isPython(name) && !isFramework(name));
  const packages = unique(programs.map((name) => recipes[name].elsewhere)).join(' ');
  const needed = `${names.join(' and ')} must be on PATH`;
  if (platform === 'darwin') return `${needed}: brew install ${packages}`;
  if (exists('/sbin/apk')) return `${needed}: apk add ${packages}`;
  if (exists('/usr/bin/dnf')) return `${needed}: dnf install ${packages}`;
  return `${needed}: install ${names.join(' and ')} with your system's package manager`;
}

/** Several programs may be in one package. */
function unique(packages: string[]): string[] {
  return [...new Set(packages)];
}
