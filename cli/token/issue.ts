import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { type ApiClient, notPostern } from '../../common/api-client.ts';
import { Failure, tryTo, UsageError } from '../../common/errors.ts';
import { escapeControls, print } from '../../common/terminal.ts';

/** The URL of an issued token, or the whole response as JSON. */
export function issuedLine(answer: unknown, json?: true): string {
  const { url } = Object(answer) as { url?: unknown };
  if (typeof url !== 'string') throw notPostern(201);
  return `${json ? JSON.stringify(answer) : escapeControls(url)}\n`;
}

/** Shows the API's warning to a person, who sees only the URL. */
export function noteWarning(answer: unknown): void {
  const { warning } = Object(answer) as { warning?: unknown };
  if (typeof warning === 'string') {
    process.stderr.write(`postern: note: ${escapeControls(warning)}\n`);
  }
}

/** The first line of standard input. A terminal does not show it, and arguments would be visible to every user. */
export async function readSecret(input: NodeJS.ReadStream, what: 'PIN' | 'token'): Promise<string> {
  if (input.isTTY) process.stderr.write(`${what}: `);
  // With an output, readline puts a terminal into raw mode, and the output is what would be shown.
  const output = new Writable({ write: (_text, _encoding, done) => done() });
  const lines = createInterface({ input, output, terminal: input.isTTY });
  try {
    for await (const line of lines) if (line.trim() !== '') return line.trim();
  } finally {
    if (input.isTTY) process.stderr.write('\n');
    // A terminal would keep the process waiting.
    input.destroy();
  }
  throw new UsageError(`standard input is empty: expected a ${what}`);
}

/** `/expires_in` is `--expires-in`, and `/ip/0` is `--ip`. */
export function optionOf(pointer: string): string {
  const [, field = ''] = pointer.split('/');
  return field === '' ? 'the request' : `--${field.replaceAll('_', '-')}`;
}

/** The limits of one `POST /tokens/batch`. */
const MAX_ENTRIES = 100;
const MAX_BYTES = 128 * 1024 - 2;

/**
 * Issues a token for each line of JSON, and prints the tokens of each batch as soon as it is issued. Of a
 * batch that fails it prints none. Batches before an error are issued and printed.
 *
 * @throws Failure, which names the line
 */
export async function issueLines(
  api: ApiClient,
  input: NodeJS.ReadableStream,
  json?: true,
): Promise<void> {
  let issued = 0;
  try {
    for await (const batch of batches(input)) {
      const body = `[${batch.map(({ text }) => text).join(',')}]`;
      // `/3/path` is the `path` of the fourth line.
      const nameOf = (pointer: string) => {
        const [, index, ...field] = pointer.split('/');
        return [`line ${batch[Number(index)]?.number}`, ...field].join(', ');
      };
      const answers = await api.ask('POST', '/tokens/batch', body, nameOf);
      if (!Array.isArray(answers) || answers.length !== batch.length) throw notPostern(201);
      answers.forEach(noteWarning);
      await print(answers.map((answer) => issuedLine(answer, json)).join(''));
      issued += answers.length;
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const before =
      issued === 0 ? 'No tokens were issued.' : `${issued} tokens were issued and printed.`;
    throw new Failure(`${error.message}\n${before}`, { cause: error });
  }
}

interface Line {
  readonly number: number;
  readonly text: string;
}

/** The lines that are not empty, as many as one request may have. */
async function* batches(input: NodeJS.ReadableStream): AsyncGenerator<Line[]> {
  let batch: Line[] = [];
  let size = 0;
  let number = 0;
  for await (const line of createInterface({ input })) {
    number += 1;
    const text = line.trim();
    if (text === '') continue;
    // The decoder writes U+FFFD for bytes that are not UTF-8: the token would be for another path.
    const isRead = !text.includes('\u{fffd}') && tryTo(() => JSON.parse(text)) !== undefined;
    if (!isRead) throw new Failure(`line ${number} is not JSON in UTF-8`);
    const bytes = Buffer.byteLength(text) + 1;
    if (batch.length === MAX_ENTRIES || (batch.length > 0 && size + bytes > MAX_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push({ number, text });
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}
