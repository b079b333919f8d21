import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { withErrors } from '../config.ts';
import { Failure } from '../errors.ts';
import { readSnippet, snippetsFolder } from '../package.ts';
import { readPages } from './pages.ts';

/**
 * The snippets that a folder of nginx has, as this version of Postern has them, and the pages that are
 * missing. Pages that exist can be the operator's own: they are replaced only with `--pages`.
 */
export function upgradedFiles(folder: string, pages?: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const has = (name: string) => existsSync(join(folder, 'postern', name));
  for (const name of readdirSync(snippetsFolder)) {
    if (name.endsWith('.conf') && has(name)) files.set(`postern/${name}`, readSnippet(name));
  }
  if (files.size === 0) {
    throw new Failure(`${folder}/postern has no snippets: use --out for the folder of nginx.conf`);
  }
  const { files: all } = withErrors('no files were written', (errors) => readPages(pages, errors));
  for (const [name, text] of all) {
    if (pages !== undefined || !has(`pages/${name}`)) files.set(`postern/pages/${name}`, text);
  }
  return files;
}
