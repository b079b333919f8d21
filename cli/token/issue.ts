import { type ApiClient, notPostern, Problem } from '../api-client.ts';
import { Failure } from '../errors.ts';
import { tryParseJson } from '../io.ts';
import { escapeControls, type Progress } from '../terminal.ts';

/** The fields of `POST /tokens`. */
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Issues one token. Returns the text to print: its URL, or the whole response. */
export async function issueToken(api: ApiClient, fields: Fields, json?: true): Promise<string> {
  const answer = await api.ask('POST', '/tokens', JSON.stringify(fields)).catch((error) => {
    throw error instanceof Problem ? new Problem(error.document, optionOf) : error;
  });
  return line(answer, json);
}

/** A response of `POST /tokens` as a line to print. */
function line(answer: unknown, json?: true): string {
  const { url } = (answer ?? {}) as { url?: unknown };
  if (typeof url !== 'string') throw notPostern(201);
  return `${json ? JSON.stringify(answer) : escapeControls(url)}\n`;
}

/** `/expires_in` is `--expires-in`, and `/ip/0` is `--ip`. */
function optionOf(pointer: string): string {
  const [, field = ''] = pointer.split('/');
  return field === '' ? 'the request' : `--${field.replaceAll('_', '-')}`;
}

/** The limits of one `POST /tokens`. */
const MAX_ENTRIES = 1000;
const MAX_BYTES = 1_000_000;

interface Batch {
  readonly numbers: number[];
  readonly texts: string[];
  bytes: number;
}

interface BatchOptions {
  readonly json?: true;
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
  async function send({ numbers, texts }: Batch): Promise<void> {
    const answers = await api.ask('POST', '/tokens', `[${texts.join(',')}]`).catch((error) => {
      throw error instanceof Problem ? new Problem(error.document, fieldIn(numbers)) : error;
    });
    if (!Array.isArray(answers) || answers.length !== numbers.length) {
      throw notPostern(201);
    }
    await print(answers.map((answer) => line(answer, json)).join(''));
    issued += answers.length;
    progress.show(`${issued} issued`);
  }
  try {
    let batch = emptyBatch();
    for await (const { number, text } of readLines(stream)) {
      check(number, text);
      const bytes = Buffer.byteLength(text) + 1;
      if (batch.texts.length === MAX_ENTRIES || batch.bytes + bytes > MAX_BYTES) {
        await send(batch);
        batch = emptyBatch();
      }
      batch.numbers.push(number);
      batch.texts.push(text);
      batch.bytes += bytes;
    }
    if (batch.texts.length > 0) await send(batch);
    progress.end();
  } catch (error) {
    progress.end();
    if (!(error instanceof Failure)) throw error;
    const before =
      issued === 0 ? 'No tokens were issued.' : `${issued} tokens were issued and printed.`;
    throw new Failure(`${error.message}\n${before}`, { cause: error });
  }
}

function emptyBatch(): Batch {
  return { numbers: [], texts: [], bytes: 0 };
}

function check(number: number, text: string): void {
  const value = tryParseJson(text);
  if (value === undefined) throw new Failure(`line ${number} is not JSON`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new Failure(`line ${number}: expected a JSON object such as {"path": "/download/a.pdf"}`);
}

/** `/3/path` is the `path` of the fourth line. */
function fieldIn(numbers: readonly number[]): (pointer: string) => string {
  return (pointer) => {
    const [, index, ...field] = pointer.split('/');
    return `line ${numbers[Number(index)]}${field.length > 0 ? `, ${field.join('/')}` : ''}`;
  };
}

/**
 * The lines of a stream that are not empty, with their numbers.
 *
 * @throws Failure if a line is too long or not UTF-8
 */
async function* readLines(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly number: number; readonly text: string }> {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  function* take(bytes: Uint8Array) {
    number += 1;
    let text: string;
    try {
      text = utf8.decode(bytes).trim();
    } catch {
      throw new Failure(`line ${number} is not UTF-8`);
    }
    if (text !== '') yield { number, text };
  }
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      yield* take(Buffer.concat([rest, chunk.subarray(at, end)]));
      rest = Buffer.alloc(0);
      at = end + 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(at)]);
    if (rest.length > MAX_BYTES) {
      throw new Failure(`line ${number + 1} is longer than ${MAX_BYTES} bytes`);
    }
  }
  if (rest.length > 0) yield* take(rest);
}
