import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { z } from 'zod';
import { ENGLISH, LANGUAGES, PAGES, PLACEHOLDERS, type Texts } from './texts.ts';

type Report = (problem: string) => undefined;

/** A larger file is probably not what the operator meant: each page would contain it. */
const MAX_FILE_BYTES = 65_536;

/** Unknown files that an error names. */
const MAX_NAMED = 5;

const FILE = new RegExp(
  `^(?:(?<logo>logo\\.svg)|(?<added>[a-z]{2,3})\\.json|(?:${PAGES.join('|')})(?:\\.[a-z]{2,3})?\\.html)$`,
);

export const PAGE_FOLDER = 'path of a folder, such as /etc/postern/pages';

const EXPECTED = `a folder in which each file is logo.svg, a language such as it.json, or one of the pages ${PAGES.join(
  ', ',
)}, such as denied.html or denied.it.html`;

/** The logo, the texts of more languages and the own pages of a folder. */
export interface PageFiles {
  logo?: string;
  texts: Record<string, Partial<Texts>>;
  files: Record<string, string>;
}

/** Reads what the files of a folder contain. Reports each file that Postern cannot use. */
export function readPageFolder(folder: string, report: Report): PageFiles | undefined {
  const pages: PageFiles = { texts: {}, files: {} };
  const unknown: string[] = [];
  let names: readonly string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return report(`${PAGE_FOLDER}, that Postern can read`);
  }
  for (const name of names) {
    if (name.startsWith('.')) continue;
    const found = FILE.exec(name)?.groups;
    if (found === undefined) {
      unknown.push(name);
      continue;
    }
    const text = readBelow(folder, name, report);
    if (text === undefined) continue;
    if (found.logo) {
      pages.logo = `data:image/svg+xml;base64,${Buffer.from(text).toString('base64')}`;
    } else if (found.added) {
      pages.texts[found.added] = readTexts(name, text, report) ?? {};
    } else {
      checkPlaceholders(name, text, report);
      pages.files[name.slice(0, -'.html'.length)] = text;
    }
  }
  if (unknown.length > 0) report(`${EXPECTED}; not ${unknown.slice(0, MAX_NAMED).join(', ')}`);
  const languages = [...LANGUAGES.keys(), ...Object.keys(pages.texts)];
  for (const file of Object.keys(pages.files)) {
    const language = file.split('.')[1];
    if (language !== undefined && !languages.includes(language)) {
      report(`the texts ${language}.json for ${file}.html`);
    }
  }
  return pages;
}

/** The text of a file. A link may lead below the folder, as in a ConfigMap, but not out of it: pages are for everyone. */
function readBelow(folder: string, name: string, report: Report): string | undefined {
  const path = join(folder, name);
  let file: number | undefined;
  try {
    // O_NONBLOCK: a named pipe would block the process otherwise.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(file);
    if (!status.isFile()) return report(`${name} as a regular file`);
    // The path of the open file: somebody could replace the link meanwhile.
    const opened =
      platform() === 'linux' ? readlinkSync(`/proc/self/fd/${file}`) : realpathSync(path);
    if (!opened.startsWith(`${realpathSync(folder)}/`)) {
      return report(`${name} as a file in the folder: its link leads out of it`);
    }
    if (status.size > MAX_FILE_BYTES) return report(`${name} with at most ${MAX_FILE_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    const [, why] = getSystemErrorMap().get((error as NodeJS.ErrnoException).errno ?? 0) ?? [];
    return report(`${name}: ${why ?? 'it cannot be read'}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

const TEXTS = z.strictObject(
  Object.fromEntries(
    Object.entries(ENGLISH).map(([name, value]) => [
      name,
      (Array.isArray(value) ? z.array(z.string()).min(1) : z.string()).optional(),
    ]),
  ),
);

/** The texts of a language. Those that are missing remain as they are in Postern, or in English. */
function readTexts(name: string, text: string, report: Report): Partial<Texts> | undefined {
  try {
    const { data, error } = TEXTS.safeParse(JSON.parse(text));
    if (data !== undefined) return data as Partial<Texts>;
    const [issue] = error.issues;
    const problem = `${issue?.path.join('.')} ${issue?.message}`;
    return report(`${name} with texts as in Postern's en.json: ${problem}`);
  } catch {
    return report(`${name} as valid JSON`);
  }
}

/** A placeholder that does not exist would stay on the page. */
function checkPlaceholders(name: string, text: string, report: Report): void {
  const known: readonly string[] = PLACEHOLDERS.map((one) => `{{${one}}}`);
  if ((text.match(/\{\{.*?\}\}/g) ?? []).some((placeholder) => !known.includes(placeholder))) {
    report(`${name} with the placeholders ${known.join(' ')} only`);
  }
}
