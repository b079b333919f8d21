import { createPrivateKey, X509Certificate } from 'node:crypto';
import { FILE_PATH, parsed, type Report } from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Returns a file's text, or throws as `node:fs` does. */
export type ReadFile = (path: string) => string;

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

export function readText(path: string, report: Report, { readFile } = outside): string | undefined {
  try {
    return readFile(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return report(`path of a readable file: ${WHY[code] ?? 'it cannot be read'}`);
  }
}

/** The value is what `parse` returns for the text of a file. If it returns undefined or throws, the file is invalid. */
export function file<T>(expected: string, parse: (text: string) => T | undefined) {
  return parsed(expected, (path, report) => {
    const text = FILE_PATH.test(path) ? readText(path, report) : undefined;
    try {
      return text === undefined ? undefined : parse(text);
    } catch {
      // The error is dropped: it may quote the file.
      return undefined;
    }
  });
}

export const passwordFile = file('path of a file with the password on one line', (text) => {
  // Most editors end a file with a line break.
  const line = text.replace(/\r?\n$/, '');
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
