import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { PageSettings } from '../pages/pages.ts';
import { ENGLISH, LANGUAGES, PAGES, PLACEHOLDERS, type Texts } from '../pages/texts.ts';
import { type Fields, type ReadFile, readText } from './source.ts';
import { matching, texts } from './values.ts';

const NAME = 'the name of the site, of at most 60 characters, such as Example Files';
const COLOR = 'a color of six hex digits, such as #1d4ed8';
const LINKS = 'a list of texts and URLs, such as Imprint=https://example.com/imprint,Help=/help';
const FOLDER = 'the path of a folder, such as /etc/postern/pages';

const LINK =
  /^([^=\p{Cc}]{1,60})=((?:https?:\/\/|mailto:|\/(?!\/))[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x7e]+)$/u;

/** The settings of the pages for people. */
export const PAGE_SETTINGS = {
  page_name: matching(/^[^\p{Cc}]{1,60}$/u, NAME).optional(),
  page_color: matching(/^#[0-9a-f]{6}$/i, COLOR).optional(),
  page_links: texts(
    LINKS,
    matching(LINK, LINKS).transform((link) => {
      const [, text = '', url = ''] = LINK.exec(link) ?? [];
      return { text, url };
    }),
  ).optional(),
  /** The logo, more languages and own pages. */
  page_folder: matching(/^[^\p{Cc}\s-]\P{Cc}*$/u, FOLDER).optional(),
};

type Valid = { readonly [K in keyof typeof PAGE_SETTINGS]?: z.output<(typeof PAGE_SETTINGS)[K]> };

/** Files that an error names. */
const MAX_NAMED = 5;

/** A larger file is probably not what the operator meant: each page would contain it. */
const MAX_FILE_LENGTH = 65_536;

const FILE =
  /^(?:(?<logo>logo\.svg)|(?<added>[a-z]{2,3})\.json|(?<page>[a-z_]+)(?:\.(?<language>[a-z]{2,3}))?\.html)$/;

const PAGE_NAMES: readonly string[] = PAGES;

const EXPECTED = `a folder in which each file is logo.svg, a language such as fr.json, or one of the pages ${PAGES.join(
  ', ',
)}, such as denied.html or denied.fr.html`;

/** The settings of the pages, with the files of their folder. Invalid files are issues. */
export function readPageSettings(plain: Valid, { add }: Fields, readFile: ReadFile): PageSettings {
  const { page_name: name, page_color: color, page_links: links, page_folder: folder } = plain;
  const wrong = (expected: string) => add('page_folder', expected);
  const added: Record<string, Partial<Texts>> = {};
  const files: Record<string, string> = {};
  let logo: string | undefined;
  const unknown: string[] = [];
  for (const file of folder === undefined ? [] : filesOf(folder, wrong)) {
    const found = FILE.exec(file)?.groups;
    if (found === undefined || (found.page && !PAGE_NAMES.includes(found.page))) {
      unknown.push(file);
      continue;
    }
    const text = readText(join(folder ?? '', file), readFile, (why) => wrong(`${file}: ${why}`));
    if (text === undefined) continue;
    if (text.length > MAX_FILE_LENGTH) wrong(`${file} with at most ${MAX_FILE_LENGTH} characters`);
    else if (found.logo) logo = `data:image/svg+xml;base64,${Buffer.from(text).toString('base64')}`;
    else if (found.added) added[found.added] = readTexts(file, text, wrong) ?? {};
    else files[file.slice(0, -'.html'.length)] = readPage(file, text, wrong);
  }
  if (unknown.length > 0) wrong(`${EXPECTED}; not ${unknown.slice(0, MAX_NAMED).join(', ')}`);
  const languages = [...LANGUAGES.keys(), ...Object.keys(added)];
  for (const file of Object.keys(files)) {
    const language = file.split('.')[1];
    if (language !== undefined && !languages.includes(language)) {
      wrong(`the texts ${language}.json for ${file}.html`);
    }
  }
  return { name, color, links, logo, texts: added, files };
}

/** The files of a folder, without hidden ones. */
function filesOf(folder: string, wrong: (expected: string) => undefined): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    wrong(`${FOLDER}, that Postern can read`);
    return [];
  }
}

const SCHEMA = z.strictObject(
  Object.fromEntries(
    Object.entries(ENGLISH).map(([name, value]) => [
      name,
      (Array.isArray(value) ? z.array(z.string()).min(1) : z.string()).optional(),
    ]),
  ),
);

/** The texts of a language. Those that are missing remain as they are in Postern, or in English. */
function readTexts(
  file: string,
  text: string,
  wrong: (expected: string) => undefined,
): Partial<Texts> | undefined {
  try {
    const { data, error } = SCHEMA.safeParse(JSON.parse(text));
    if (data !== undefined) return data as Partial<Texts>;
    const [issue] = error.issues;
    return wrong(
      `${file} with texts as in Postern's en.json: ${issue?.path.join('.')} ${issue?.message}`,
    );
  } catch {
    return wrong(`${file} as valid JSON`);
  }
}

/** An own page. A placeholder that does not exist would stay on the page. */
function readPage(file: string, text: string, wrong: (expected: string) => undefined): string {
  for (const [, name = ''] of text.matchAll(/\{\{(.*?)\}\}/g)) {
    if (!(PLACEHOLDERS as readonly string[]).includes(name)) {
      wrong(
        `${file} with the placeholders ${PLACEHOLDERS.map((one) => `{{${one}}}`).join(' ')} only`,
      );
      break;
    }
  }
  return text;
}
