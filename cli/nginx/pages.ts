import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigErrors } from '../../service/config/errors.ts';
import { given } from '../config.ts';
import { systemReason } from '../io.ts';
import { snippetsFolder } from '../package.ts';

/** The languages that Postern has. Each of their folders has the same files. */
export const SHIPPED_LANGUAGES = ['en', 'de'];

/** The primary subtag of a language (BCP 47). */
const LANGUAGE = /^[a-z]{2,3}$/;

/**
 * The pages for people, by their names below pages/, and the languages of the http block: those that Postern
 * has, with the operator's files in their place. A new language needs all of its files: nginx chooses it for
 * every page.
 */
export function readPages(folder: string | undefined, errors: ConfigErrors) {
  const files = filesBelow(join(snippetsFolder, 'pages'));
  const shipped = { files, languages: SHIPPED_LANGUAGES };
  if (folder === undefined) return shipped;
  const names = [...files.keys()].flatMap((name) => /^en\/(.+)$/.exec(name)?.[1] ?? []);
  let own: ReadonlyMap<string, string>;
  try {
    own = filesBelow(folder);
  } catch (error) {
    errors.add(given('--pages', folder), `a folder that can be read (${systemReason(error)})`);
    return shipped;
  }
  const added = new Set<string>();
  for (const name of own.keys()) {
    const [language = '', page = ''] = name.split('/');
    if (files.has(name)) continue;
    if (LANGUAGE.test(language) && names.includes(page)) added.add(language);
    else errors.add(given('--pages', join(folder, name)), known(files.keys(), names));
  }
  for (const language of added) {
    const missing = names.filter((name) => !own.has(`${language}/${name}`));
    if (missing.length > 0) {
      const detail = `all files of a language; ${missing.join(', ')} missing`;
      errors.add(given('--pages', join(folder, language)), detail);
    }
  }
  return { files: new Map([...files, ...own]), languages: [...SHIPPED_LANGUAGES, ...added] };
}

function known(names: Iterable<string>, pages: readonly string[]): string {
  const shared = [...names].filter((name) => !name.includes('/'));
  return `the name of a page: ${shared.join(', ')}, or in the folder of a language such as en/: ${pages.join(', ')}`;
}

/** The files in a folder and in its folders, in order. @throws Error if one of them is a symbolic link */
function filesBelow(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => {
      const entry = lstatSync(join(folder, name));
      // Root would copy a file that the owner of the folder may not read.
      if (entry.isSymbolicLink()) throw new Error(`${name} is a symbolic link`);
      return !entry.isDirectory();
    })
    .sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
