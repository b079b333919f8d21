import { type ApiClient, notPostern, Problem } from '../api-client.ts';
import { Failure } from '../errors.ts';
import { tryParseJson } from '../io.ts';
import { escapeControls, type Progress } from '../terminal.ts';
import { stateText } from './show.ts';

/** The fields of `POST /tokens`. */
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Issues one token. Returns the text to print: its URL, or the whole response. */
export async function issueToken(api: ApiClient, fields: Fields, json?: true): Promise<string> {
  return line(await api.ask('POST', '/tokens', JSON.stringify(fields)).catch(nameOptions), json);
}

/** Changes when a token ends. Returns its new state. */
export async function prolongToken(
  api: ApiClient,
  id: string,
  expiresIn: number,
  json?: true,
): Promise<string> {
  const body = JSON.stringify({ expires_in: expiresIn });
  const state = await api.ask('PATCH', `/tokens/${id}`, body).catch(nameOptions);
  return json ? `${JSON.stringify(state)}\n` : stateText(state as Record<string, unknown>);
}

function line(answer: unknown, json?: true): string {
  const { url } = (answer ?? {}) as { url?: unknown };
  if (typeof url !== 'string') throw notPostern(201);
  return `${json ? JSON.stringify(answer) : escapeControls(url)}\n`;
}

function nameOptions(error: unknown): never {
  throw error instanceof Problem ? new Problem(error.document, optionOf) : error;
}

/** `/expires_in` is `--expires-in`, and `/ip/0` is `--ip`. */
function optionOf(pointer: string): string {
  const [, field = ''] = pointer.split('/');
  return field === '' ? 'the request' : `--${field.replaceAll('_', '-')}`;
}

/** The limits of one `POST /tokens/batch`. */
const MAX_ENTRIES = 1000;
const MAX_BYTES = 1_000_000;

interface BatchOptions {
  readonly json?: true | undefined;
  /** Prints the lines of each batch as soon as it is issued. */
  readonly print: (text: string) => Promise<void>;
  readonly progress: Progress;
}

/**
 * Issues a token for each line of JSON, in batches of a thousand. A batch is issued completely or not at
 * all. Batches before an error are issued and printed.
 *
 * @throws Failure, which names the line
 */
export async function issueLines(
  api: ApiClient,
  stream: AsyncIterable<Uint8Array>,
  { json, print, progress }: BatchOptions,
): Promise<void> {
  let issued = 0;
  let batch: Line[] = [];
  let size = 0;
  async function send(): Promise<void> {
    if (batch.length === 0) return;
    const body = `[${batch.map(({ text }) => text).join(',')}]`;
    const answers = await api.ask('POST', '/tokens/batch', body).catch((error) => {
      throw error instanceof Problem ? new Problem(error.document, fieldIn(batch)) : error;
    });
    if (!Array.isArray(answers) || answers.length !== batch.length) throw notPostern(201);
    await print(answers.map((answer) => line(answer, json)).join(''));
    issued += answers.length;
    progress.show(`${issued} issued`);
    batch = [];
    size = 0;
  }
  try {
    for await (const one of readLines(stream)) {
      check(one);
      const bytes = Buffer.byteLength(one.text) + 1;
      if (batch.length === MAX_ENTRIES || size + bytes > MAX_BYTES) await send();
      batch.push(one);
      size += bytes;
    }
    await send();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const before =
      issued === 0 ? 'No tokens were issued.' : `${issued} tokens were issued and printed.`;
    throw new Failure(`${error.message}\n${before}`, { cause: error });
  } finally {
    progress.end();
  }
}

function check({ number, text }: Line): void {
  const value = tryParseJson(text);
  if (value === undefined) throw new Failure(`line ${number} is not JSON`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new Failure(`line ${number}: expected a JSON object such as {"path": "/download/a.pdf"}`);
}

/** `/3/path` is the `path` of the fourth line. */
function fieldIn(lines: readonly Line[]): (pointer: string) => string {
  return (pointer) => {
    const [, index, ...field] = pointer.split('/');
    const number = lines[Number(index)]?.number;
    return `line ${number}${field.length > 0 ? `, ${field.join('/')}` : ''}`;
  };
}

interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * The lines of a stream that are not empty, with their numbers.
 *
 * @throws Failure if a line is too long or not UTF-8
 */
async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 0;
  // One character for each byte, so that a chunk can end within a character.
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const bytes of lines) {
      number += 1;
      const text = decoded(bytes, number);
      if (text !== '') yield { number, text };
    }
    if (rest.length > MAX_BYTES) {
      throw new Failure(`line ${number + 1} is longer than ${MAX_BYTES} bytes`);
    }
  }
  const text = decoded(rest, number + 1);
  if (text !== '') yield { number: number + 1, text };
}

function decoded(bytes: string, number: number): string {
  try {
    const utf8 = new TextDecoder('utf-8', { fatal: true });
    return utf8.decode(Buffer.from(bytes, 'latin1')).trim();
  } catch {
    throw new Failure(`line ${number} is not UTF-8`);
  }
}
