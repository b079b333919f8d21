import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ENGLISH, LANGUAGES, PAGES, PLACEHOLDERS, type Texts } from '../pages/texts.ts';
import { readText } from './files.ts';
import { matching, texts } from './values.ts';

const LINKS = 'a list of texts and URLs, such as Imprint=https://example.com/imprint,Help=/help';
const LINK =
  /^([^=\p{Cc}]{1,60})=((?:https?:\/\/|mailto:|\/(?!\/))[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x7e]+)$/u;

export const pageLinks = texts(
  LINKS,
  matching(LINK, LINKS).transform((link) => {
    const [, text = '', url = ''] = LINK.exec(link) ?? [];
    return { text, url };
  }),
);

/** A larger file is probably not what the operator meant: each page would contain it. */
const MAX_FILE_LENGTH = 65_536;

/** Unknown files that an error names. */
const MAX_NAMED = 5;

const FILE =
  /^(?:(?<logo>logo\.svg)|(?<added>[a-z]{2,3})\.json|(?<page>[a-z_]+)(?:\.(?<language>[a-z]{2,3}))?\.html)$/;

const FOLDER = 'path of a folder, such as /etc/postern/pages';

const PAGE_NAMES: readonly string[] = PAGES;

const EXPECTED = `a folder in which each file is logo.svg, a language such as fr.json, or one of the pages ${PAGES.join(
  ', ',
)}, such as denied.html or denied.fr.html`;

/** The logo, the texts of more languages and the own pages of a folder. */
export interface PageFiles {
  logo?: string;
  texts: Record<string, Partial<Texts>>;
  files: Record<string, string>;
}

export const NO_FILES: PageFiles = { texts: {}, files: {} };

/** Returns undefined, so that a function can return the result for an invalid file. */
type Report = (expected: string) => undefined;

/** The path of a folder. The value is what its files contain. */
export const pageFolder = matching(/^[^\p{Cc}\s-]\P{Cc}*$/u, FOLDER).transform(
  (folder, context) => {
    // One error names all problems, because they have the same place in the configuration.
    const problems: string[] = [];
    const files = readFolder(folder, (problem) => void problems.push(problem));
    if (problems.length > 0) context.addIssue(problems.join('; '));
    return files;
  },
);

function readFolder(folder: string, report: Report): PageFiles {
  const pages: PageFiles = { texts: {}, files: {} };
  const unknown: string[] = [];
  for (const name of namesIn(folder, report)) {
    const found = FILE.exec(name)?.groups;
    if (found === undefined || (found.page && !PAGE_NAMES.includes(found.page))) {
      unknown.push(name);
      continue;
    }
    const text = readText(join(folder, name), (why) => report(`${name}: ${why}`));
    if (text === undefined) continue;
    if (text.length > MAX_FILE_LENGTH) {
      report(`${name} with at most ${MAX_FILE_LENGTH} characters`);
    } else if (found.logo) {
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

/** The files of a folder, without hidden ones. */
function namesIn(folder: string, report: Report): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    report(`${FOLDER}, that Postern can read`);
    return [];
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
  const known = PLACEHOLDERS.map((one) => `{{${one}}}`);
  const isUnknown = ([placeholder]: RegExpMatchArray) =>
    !(known as readonly string[]).includes(placeholder);
  if ([...text.matchAll(/\{\{.*?\}\}/g)].some(isUnknown)) {
    report(`${name} with the placeholders ${known.join(' ')} only`);
  }
}
