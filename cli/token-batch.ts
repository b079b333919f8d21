import { type Api, notPostern } from './api/ask.ts';
import { Problem } from './api/problem.ts';
import { Failure } from './failure.ts';
import { readLines } from './lines.ts';
import type { Progress } from './progress.ts';
import { line } from './token-issue.ts';

/** What one `POST /tokens` takes: entries, and bytes with room for the brackets. */
const MAX_ENTRIES = 1000;
const MAX_BYTES = 1_000_000;

interface Batch {
  readonly numbers: number[];
  readonly texts: string[];
  bytes: number;
}

export interface BatchOptions {
  readonly json?: true;
  /** Takes the lines of each batch as soon as it is issued. */
  readonly print: (text: string) => Promise<void>;
  readonly progress: Progress;
}

/**
 * Issues a token for each line of JSON, in batches of a thousand. A batch is issued completely or not at
 * all. Batches before an error have been printed.
 *
 * @throws Failure, which names the line
 */
export async function issueLines(
  api: Api,
  stream: AsyncIterable<Uint8Array>,
  { json, print, progress }: BatchOptions,
): Promise<void> {
  let issued = 0;
  async function send({ numbers, texts }: Batch): Promise<void> {
    const answers = await api.ask('POST', '/tokens', `[${texts.join(',')}]`).catch((error) => {
      throw error instanceof Problem ? new Problem(error, placeIn(numbers)) : error;
    });
    if (!Array.isArray(answers) || answers.length !== numbers.length) {
      throw notPostern(201);
    }
    await print(answers.map((answer) => line(answer, json)).join(''));
    issued += answers.length;
    progress.show(`${issued} issued`);
  }
  try {
    let batch = empty();
    for await (const { number, text } of readLines(stream)) {
      check(number, text);
      const bytes = Buffer.byteLength(text) + 1;
      if (batch.texts.length === MAX_ENTRIES || batch.bytes + bytes > MAX_BYTES) {
        await send(batch);
        batch = empty();
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

function empty(): Batch {
  return { numbers: [], texts: [], bytes: 0 };
}

function check(number: number, text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Failure(`line ${number} is not JSON`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new Failure(`line ${number}: expected a JSON object such as {"path": "/download/a.pdf"}`);
}

/** `/3/path` is the `path` of the fourth line. */
function placeIn(numbers: readonly number[]): (pointer: string) => string {
  return (pointer) => {
    const [, index, ...field] = pointer.split('/');
    return `line ${numbers[Number(index)]}${field.length > 0 ? `, ${field.join('/')}` : ''}`;
  };
}
