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
// The download user of apt cannot enter some folders, for example /root.
APT::Sandbox::User "root";
// Only root can take the system's locks. They protect state that this program only reads.
Debug::NoLocking "true";
// Report every list that cannot be downloaded. By default a network error counts as success.
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

/** An apt-get with separate state under `work`. It only reads the state of the system. */
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
      // If one of several sources failed, the new lists may still be complete enough. Otherwise the
      // lists of the system are used, which may be old.
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
  // Never unpack a second C library: programs crash if it does not match the loader.
  return files.filter((file) => !file.startsWith('libc6_')).map((file) => join(folder, file));
}

function reasons(output: string): string[] {
  const lines = output.split('\n').filter((line) => /^[EW]: /.test(line));
  return lines.length > 0 ? lines : [output];
}
