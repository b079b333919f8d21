import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { type ApiClient, notPostern } from '../../common/api-client.ts';
import { Failure, tryTo, UsageError } from '../../common/errors.ts';
import { escapeControls, type Progress, print } from '../../common/terminal.ts';

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
export async function readPin(input: NodeJS.ReadStream): Promise<string> {
  if (input.isTTY) process.stderr.write('PIN: ');
  // With an output, readline puts a terminal into raw mode, and the output is what would be shown.
  const output = new Writable({ write: (_text, _encoding, done) => done() });
  const lines = createInterface({ input, output, terminal: input.isTTY });
  try {
    for await (const line of lines) return line;
  } finally {
    if (input.isTTY) process.stderr.write('\n');
    // A terminal would keep the process waiting.
    input.destroy();
  }
  throw new UsageError('--pin reads the PIN from standard input, which is empty');
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
 * Issues a token for each line of JSON, and prints the tokens of each batch as soon as it is issued. A batch
 * is issued completely or not at all. Batches before an error are issued and printed.
 *
 * @throws Failure, which names the line
 */
export async function issueLines(
  api: ApiClient,
  stream: AsyncIterable<Uint8Array>,
  progress: Progress,
  json?: true,
): Promise<void> {
  let issued = 0;
  try {
    for await (const batch of batches(readLines(stream))) {
      const body = `[${batch.map(({ text }) => text).join(',')}]`;
      const answers = await api.ask('POST', '/tokens/batch', body, fieldIn(batch));
      if (!Array.isArray(answers) || answers.length !== batch.length) throw notPostern(201);
      answers.forEach(noteWarning);
      await print(answers.map((answer) => issuedLine(answer, json)).join(''));
      issued += answers.length;
      progress(`${issued} issued`);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const before =
      issued === 0 ? 'No tokens were issued.' : `${issued} tokens were issued and printed.`;
    throw new Failure(`${error.message}\n${before}`, { cause: error });
  } finally {
    progress();
  }
}

/** `/3/path` is the `path` of the fourth line. */
function fieldIn(lines: readonly Line[]): (pointer: string) => string {
  return (pointer) => {
    const [, index, ...field] = pointer.split('/');
    const number = lines[Number(index)]?.number;
    return `line ${number}${field.length > 0 ? `, ${field.join('/')}` : ''}`;
  };
}

type Line = ReturnType<typeof readLine>[number];

async function* batches(lines: AsyncIterable<Line>): AsyncGenerator<Line[]> {
  let batch: Line[] = [];
  let size = 0;
  for await (const line of lines) {
    const bytes = Buffer.byteLength(line.text) + 1;
    if (batch.length === MAX_ENTRIES || (batch.length > 0 && size + bytes > MAX_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(line);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}

/** The lines of a stream that are not empty, with their numbers. */
async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 0;
  // One character for each byte, so that a chunk can end within a character.
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const bytes of lines) {
      number += 1;
      yield* readLine(bytes, number);
    }
    if (rest.length > MAX_BYTES) {
      throw new Failure(`line ${number + 1} is longer than ${MAX_BYTES} bytes`);
    }
  }
  yield* readLine(rest, number + 1);
}

function readLine(bytes: string, number: number) {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const text = tryTo(() => utf8.decode(Buffer.from(bytes, 'latin1')).trim());
  if (text === undefined) throw new Failure(`line ${number} is not UTF-8`);
  if (text === '') return [];
  const value = tryTo((): unknown => JSON.parse(text));
  if (value === undefined) throw new Failure(`line ${number} is not JSON`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return [{ number, text }];
  }
  throw new Failure(`line ${number}: expected a JSON object such as {"path": "/download/a.pdf"}`);
}
