import { createHash } from 'node:crypto';
import { cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectRoot, temporaryFolder } from '../../test/harness/paths.ts';
import { run } from '../../test/harness/run.ts';
import { manPages } from './man.ts';

// Builds the Debian package from what `npm pack` contains. Needs dpkg-deb and npm. Usage: npm --prefix dev run deb [folder]

const FILES = join(projectRoot, 'deploy', 'debian');
const UNITS = join(projectRoot, 'deploy', 'systemd');

/** Where Debian puts programs that do not depend on the architecture. */
const HOME = 'usr/share/postern';
const DOC = 'usr/share/doc/postern';

interface Manifest {
  readonly version: string;
  readonly description: string;
  readonly bin: { readonly postern: string };
}

/** Returns the path of the package. */
async function build(folder: string): Promise<string> {
  const manifest = JSON.parse(
    await readFile(join(projectRoot, 'package.json'), 'utf8'),
  ) as Manifest;
  // `1.0.0-rc.1` is older than `1.0.0`.
  const version = manifest.version.replace('-', '~');
  const work = await temporaryFolder();
  try {
    const root = join(work, 'root');
    await application(join(root, HOME), work);
    await documentation(root, manifest, version);
    await integration(root, manifest);
    await control(root, manifest, version);
    await mkdir(folder, { recursive: true });
    const target = join(folder, `postern_${version}_all.deb`);
    await run('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', root, target]);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function application(home: string, work: string): Promise<void> {
  const options = ['--silent', '--ignore-scripts', '--pack-destination', work];
  await run('npm', ['pack', ...options, projectRoot]);
  const [archive = ''] = (await readdir(work)).filter((name) => name.endsWith('.tgz'));
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', join(work, archive), '-C', home, '--strip-components=1']);
}

async function documentation(root: string, manifest: Manifest, version: string): Promise<void> {
  const [home, doc] = [join(root, HOME), join(root, DOC)];
  await mkdir(doc, { recursive: true });
  const pages = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'SUPPORT.md'];
  for (const name of ['docs', 'integrations/examples', ...pages]) {
    await cp(join(projectRoot, name), join(doc, name), { recursive: true });
    await rm(join(home, name), { recursive: true, force: true });
  }
  await rm(join(home, 'deploy'), { recursive: true, force: true });
  const rules = join(projectRoot, 'deploy', 'prometheus');
  await cp(rules, join(home, 'prometheus'), { recursive: true });
  const date = builtAt();
  const entry = [
    `postern (${version}) unstable; urgency=medium`,
    '  * See CHANGELOG.md.',
    ` -- ${MAINTAINER}  ${date.toUTCString().replace('GMT', '+0000')}`,
  ];
  await writeFile(join(doc, 'changelog.gz'), compressed(`${entry.join('\n\n')}\n`));
  const [title = '', empty, ...license] = (await readFile(join(projectRoot, 'LICENSE'), 'utf8'))
    .trim()
    .split('\n');
  if (title !== 'MIT License' || empty !== '') throw new Error('LICENSE is not the MIT license');
  const paragraphs = license.slice(1).map((line) => ` ${line || '.'}`);
  const copyright = (license[0] ?? '').replace(/^Copyright \(c\) /, 'Copyright: ');
  const text = `${await readFile(join(FILES, 'copyright'), 'utf8')}${copyright}\nLicense: Expat\n`;
  await writeFile(join(doc, 'copyright'), `${text}${paragraphs.slice(1).join('\n')}\n`);
  await rm(join(home, 'LICENSE'), { force: true });

  const man = join(root, 'usr/share/man/man1');
  await mkdir(man, { recursive: true });
  for (const [name, page] of manPages(manifest.version, date.toISOString().slice(0, 10))) {
    await writeFile(join(man, `${name}.gz`), compressed(page));
  }
}

/** The command, the units, the user, the configuration. */
async function integration(root: string, { bin }: Manifest): Promise<void> {
  const command = join(root, HOME, bin.postern);
  const script = (await readFile(command, 'utf8')).replace(/^#!.*/, '#!/usr/bin/node');
  await writeFile(command, script, { mode: 0o755 });
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await symlink(join('..', 'share', 'postern', bin.postern), join(root, 'usr/bin/postern'));

  const units = join(root, 'usr/lib/systemd/system');
  await mkdir(units, { recursive: true });
  for (const name of await readdir(UNITS)) {
    const unit = await readFile(join(UNITS, name), 'utf8');
    // The first lines say how to copy it.
    const text = unit.slice(unit.indexOf('[Unit]')).replaceAll('/opt/postern', `/${HOME}`);
    await writeFile(join(units, name), text);
  }
  await put(join(FILES, 'sysusers.conf'), join(root, 'usr/lib/sysusers.d/postern.conf'));
  // The first installation copies it to /etc/postern. dpkg asks about a changed file only if it is in the package.
  await put(join(FILES, 'postern.yaml'), join(root, HOME, 'postern.yaml'));
}

const SCRIPTS = ['postinst', 'prerm', 'postrm'];

const MAINTAINER = 'Postern maintainers <maintainers@postern.invalid>';

async function control(root: string, { description }: Manifest, version: string): Promise<void> {
  const size = await kibibytes(root);
  const debian = join(root, 'DEBIAN');
  for (const name of SCRIPTS) await put(join(FILES, name), join(debian, name));
  // Node.js is a dependency: Debian and NodeSource fix its vulnerabilities, and npm packages in
  // JavaScript run on each architecture.
  const fields = [
    'Package: postern',
    `Version: ${version}`,
    'Architecture: all',
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${size}`,
    'Depends: nodejs (>= 20.12), systemd | systemd-standalone-sysusers | systemd-sysusers',
    'Suggests: nginx, redis-server (>= 5:7) | valkey-server',
    'Section: web',
    'Priority: optional',
    'Description: short-lived download tokens for files behind nginx',
    ...description.split(/(?<=\.) /).map((sentence) => ` ${sentence}`),
  ];
  await writeFile(join(debian, 'control'), `${fields.join('\n')}\n`);
  const sums = (await filesIn(root))
    .filter((name) => !name.startsWith('DEBIAN/'))
    .map(async (name) => {
      const data = await readFile(join(root, name));
      return `${createHash('md5').update(data).digest('hex')}  ${name}\n`;
    });
  await writeFile(join(debian, 'md5sums'), (await Promise.all(sums)).join(''));
  await permissions(root);
}

/** Independent of the umask of the user who builds. */
async function permissions(root: string): Promise<void> {
  await run('chmod', ['-R', 'u=rwX,go=rX', root]);
  await run('chmod', ['755', ...SCRIPTS.map((name) => join(root, 'DEBIAN', name))]);
}

async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
}

/** Regular files, by their path in the folder. */
async function filesIn(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true });
  const stats = await Promise.all(names.map((name) => lstat(join(root, name))));
  return names.filter((_, i) => stats[i]?.isFile()).sort();
}

async function kibibytes(root: string): Promise<number> {
  const files = await filesIn(root);
  const sizes = await Promise.all(files.map(async (name) => (await lstat(join(root, name))).size));
  return sizes.reduce((sum, size) => sum + Math.ceil(size / 1024), 0);
}

/** The same package for the same commit, if SOURCE_DATE_EPOCH is its time. dpkg-deb reads it too. */
function builtAt(): Date {
  const { SOURCE_DATE_EPOCH: seconds } = process.env;
  return seconds ? new Date(Number(seconds) * 1000) : new Date();
}

/** The result has no time stamp. */
function compressed(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

const [, , folder = join(projectRoot, 'dist')] = process.argv;
console.log(await build(resolve(folder)));
