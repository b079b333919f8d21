import { type Api, notPostern } from './api/ask.ts';
import { Problem } from './api/problem.ts';
import { plain } from './plain.ts';

/** The fields of `POST /tokens`, as options give them. */
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/**
 * Issues one token. Returns what to print: its URL, or the whole answer.
 *
 * @throws Failure
 */
export async function issueToken(api: Api, fields: Fields, json?: true): Promise<string> {
  const answer = await api.ask('POST', '/tokens', JSON.stringify(fields)).catch((error) => {
    throw error instanceof Problem ? new Problem(error, optionOf) : error;
  });
  return line(answer, json);
}

/** An answer of `POST /tokens` as a line to print. */
export function line(answer: unknown, json?: true): string {
  const { url } = (answer ?? {}) as { url?: unknown };
  if (typeof url !== 'string') throw notPostern(201);
  return `${json ? JSON.stringify(answer) : plain(url)}\n`;
}

/** `/expires_in` is `--expires-in`, and `/ip/0` is `--ip`. */
function optionOf(pointer: string): string {
  const [, field = ''] = pointer.split('/');
  return field === '' ? 'the request' : `--${field.replaceAll('_', '-')}`;
}
