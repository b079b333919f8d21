import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findOnPath, type Tool } from '../find-on-path.ts';
import { libraryPath } from './library-path.ts';
import { findUnpacked, unpackedAt } from './packages.ts';

export const RAILS_PACKAGES = [
  'ruby-rails',
  'ruby-sqlite3',
  'puma',
  'ruby-jwt',
  'ruby-aws-sdk-s3',
] as const;

const VERSION = /^\d+\.\d+\.0$/;
const TRIPLET = /-linux-gnu\w*$/;

/** Ruby that finds the gems of Rails; undefined until the packages are unpacked. */
export function findRails(): Tool | undefined {
  const roots = RAILS_PACKAGES.map(unpackedAt);
  const program = findUnpacked('ruby-rails', 'ruby')?.path ?? findOnPath('ruby');
  if (!program || !roots.every((root) => existsSync(root))) return undefined;
  const libraries = roots.map((root) => libraryPath(root, '')).filter(Boolean);
  return {
    path: program,
    env: {
      RUBYLIB: roots.flatMap(standardLibraries).join(delimiter),
      // Gems of the system count too: what is installed was not downloaded.
      GEM_PATH: [...roots, '/'].flatMap(gemFolders).join(delimiter),
      ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(delimiter) }),
    },
  };
}

function standardLibraries(root: string): string[] {
  const all = [join(root, 'usr/lib'), ...inside(join(root, 'usr/lib'), TRIPLET)];
  return all.flatMap((lib) => [
    join(lib, 'ruby/vendor_ruby'),
    ...inside(join(lib, 'ruby/vendor_ruby'), VERSION),
    ...inside(join(lib, 'ruby'), VERSION),
  ]);
}

function gemFolders(root: string): string[] {
  const gems = ['usr/share', 'usr/lib'].map((folder) => join(root, folder));
  const all = [...gems, ...inside(join(root, 'usr/lib'), TRIPLET)];
  return all.flatMap((folder) => [
    ...inside(join(folder, 'rubygems-integration'), /^all$/),
    ...inside(join(folder, 'rubygems-integration'), VERSION),
    ...inside(join(folder, 'ruby/gems'), VERSION),
  ]);
}

function inside(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((one) => name.test(one))
    .map((one) => join(folder, one));
}
