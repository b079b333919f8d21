import { createPrivateKey, X509Certificate } from 'node:crypto';
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
import { z } from 'zod';
import { ENGLISH, LANGUAGES, PAGES, PLACEHOLDERS, type Texts } from '../pages/texts.ts';
import { parsed, type Report } from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

/** What the configuration reads. */
export interface Outside {
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/** What schemas read. They cannot get it as an argument, because creating them for each load takes milliseconds. */
export let outside: Outside = { env: {}, readFile: String };

export function readFrom(what: Outside): void {
  outside = what;
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
};

/** The text of a file; undefined if it cannot be read. */
export function readText(path: string, report: Report, { readFile } = outside): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return report(`path of a readable file: ${WHY[code] ?? 'it cannot be read'}`);
  }
}

const PATH = /^[^\p{Cc}\s-]\P{Cc}*$/u;

/**
 * The path of a file. The value is what `parse` returns for its text. The file is invalid if `parse` returns undefined
 * or throws.
 */
export function file<T>(expected: string, parse: (text: string) => T | undefined) {
  return parsed(expected, (path, report) => {
    const text = PATH.test(path) ? readText(path, report) : undefined;
    try {
      return text === undefined ? undefined : parse(text);
    } catch {
      // The error is dropped: it may quote the file.
      return undefined;
    }
  });
}

/** Most editors end a file with a line break. */
export function withoutLineBreak(text: string): string {
  return text.replace(/\r?\n$/, '');
}

export const passwordFile = file('path of a file with the password on one line', (text) => {
  const line = withoutLineBreak(text);
  return line === '' || /\p{Cc}/u.test(line) ? undefined : line;
});

const pemFile = (content: string, check: (text: string) => object) =>
  file(`path of a PEM file with ${content}`, (text) => check(text) && text);

const isCertificate = (text: string) => new X509Certificate(text);
export const caFile = pemFile('the certificates of CAs', isCertificate);
export const certFile = pemFile('a client certificate', isCertificate);
export const keyFile = pemFile('a private key without a passphrase', createPrivateKey);

export const SECRETS =
  'path of a file with a secret on each line: whsec_ and 24 to 64 bytes in base64 (openssl rand -base64 32)';

/** The receiver verifies each event with a secret. */
export const secretsFile = file(SECRETS, (text): readonly Buffer[] | undefined => {
  const lines = text.split('\n').map((line) => line.trim());
  const secrets = lines.filter(Boolean).map((line) => {
    const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    return Buffer.from(base64, 'base64');
  });
  const areValid = secrets.every(({ length }) => length >= 24 && length <= 64);
  return secrets.length > 0 && areValid ? secrets : undefined;
});

/** A larger file is probably not what the operator meant: each page would contain it. */
const MAX_FILE_BYTES = 65_536;

/** Unknown files that an error names. */
const MAX_NAMED = 5;

const FILE = new RegExp(
  `^(?:(?<logo>logo\\.svg)|(?<added>[a-z]{2,3})\\.json|(?:${PAGES.join('|')})(?:\\.[a-z]{2,3})?\\.html)$`,
);

const FOLDER = 'path of a folder, such as /etc/postern/pages';

const EXPECTED = `a folder in which each file is logo.svg, a language such as it.json, or one of the pages ${PAGES.join(
  ', ',
)}, such as denied.html or denied.it.html`;

/** The logo, the texts of more languages and the own pages of a folder. */
export interface PageFiles {
  logo?: string;
  texts: Record<string, Partial<Texts>>;
  files: Record<string, string>;
}

/** The path of a folder. The value is what its files contain. */
export const pageFolder = parsed(FOLDER, (folder, report): PageFiles | undefined => {
  if (!PATH.test(folder)) return undefined;
  const pages: PageFiles = { texts: {}, files: {} };
  const unknown: string[] = [];
  let names: readonly string[];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return report(`${FOLDER}, that Postern can read`);
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
});

/**
 * The text of a file in a folder. It may be a link to another file below the folder, as in a ConfigMap of Kubernetes.
 * A page is for everyone, so a link to a private key would publish it.
 */
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
    const { code = '' } = error as NodeJS.ErrnoException;
    return report(`${name}: ${WHY[code] ?? 'it cannot be read'}`);
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
