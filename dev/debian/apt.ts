import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../run.ts';

// -c is read after the system's configuration, and only a file can clear a list.
const configuration = (work: string) => `
// The system's hooks would write to the system: empty its cache, set its time stamps.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::Cache "${work}/cache";
// Our folder may lie where the download user of root's apt cannot go, say under /root.
APT::Sandbox::User "root";
// The system's locks guard its own state, which is only read, and are root's.
Debug::NoLocking "true";
// Tell of every list that could not be had: by default a dead network counts as success.
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::http::Timeout "30";
`;

export interface Apt {
  /**
   * Downloads a package, installed or not, with those of its dependencies that are not installed.
   * Returns the archives.
   */
  download(name: string): Promise<string[]>;
}

/** An apt-get with a state of its own under `work`: it reads the system's, and writes nothing. */
export async function privateApt(work: string): Promise<Apt> {
  await writeFile(join(work, 'apt.conf'), configuration(work));
  const lists = join(work, 'lists');
  await mkdir(join(lists, 'partial'), { recursive: true });
  const ownLists = ['-o', `Dir::State::lists=${lists}`];
  const aptGet = (args: string[]) => run('apt-get', ['-q', '-c', join(work, 'apt.conf'), ...args]);

  const complaints: string[] = [];
  const complain = (error: Error) => void complaints.push(...reasons(error.message));
  await aptGet([...ownLists, 'update']).catch(complain);

  return {
    async download(name) {
      // --reinstall: without it apt downloads nothing for an installed package, and its folder in
      // .cache/ would stay empty after the package is removed from the system.
      const how = ['--download-only', '--reinstall', '--yes', '--no-install-recommends'];
      // One source among several may have failed, so ours are tried in any case. The system's
      // lists may be old, but a list that could not be had now is worse.
      for (const from of [ownLists, []]) {
        const archives = await mkdtemp(join(work, 'archives-'));
        await mkdir(join(archives, 'partial'));
        const into = ['-o', `Dir::Cache::archives=${archives}`];
        const done = await aptGet([...from, ...into, 'install', ...how, name]).then(
          () => true,
          complain,
        );
        if (!done) continue;
        const files = await packagesIn(archives);
        if (files.some((file) => basename(file).startsWith(`${name}_`))) return files;
        complain(new Error(`E: apt has no archive of the installed version of ${name}`));
      }
      throw new Error([...new Set(complaints)].join('\n'));
    },
  };
}

async function packagesIn(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
  // Never a second C library: it must match the machine's loader, or programs crash.
  return files.filter((file) => !file.startsWith('libc6_')).map((file) => join(folder, file));
}

function reasons(output: string): string[] {
  const lines = output.split('\n').filter((line) => /^[EW]: /.test(line));
  return lines.length > 0 ? lines : [output];
}
