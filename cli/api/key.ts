import { readFile } from 'node:fs/promises';
import { Failure, WrongUsage } from '../failure.ts';

/** Characters that a header can contain. Every key and every JWT has only these. */
const KEY = /^[\x21-\x7e]+$/;

/**
 * The API key from the file, or from the environment. It is never an argument, because every user of the
 * machine can read arguments while the command runs.
 *
 * @throws Failure, whose message contains no part of the key
 */
export async function apiKey(
  file: string | undefined,
  variable: string | undefined,
): Promise<string> {
  if (file === undefined && !variable) {
    throw new WrongUsage('no API key: set POSTERN_API_KEY or pass --key-file');
  }
  const [from, text] =
    file === undefined ? ['POSTERN_API_KEY', variable ?? ''] : [file, await read(file)];
  const key = text.trim();
  if (KEY.test(key)) return key;
  throw new Failure(`${from}: expected an API key, one line of ASCII without spaces`);
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`--key-file ${file} cannot be read: ${error.code}`, { cause: error });
  });
}
