import { Failure } from './failure.ts';

/** As much as the API takes as a body, in bytes. */
const MAX_LENGTH = 1_000_000;

/**
 * The lines of a stream, with their numbers; empty ones are left out.
 *
 * @throws Failure where one is too long or not UTF-8
 */
export async function* readLines(
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
    if (rest.length > MAX_LENGTH)
      throw new Failure(`line ${number + 1} is longer than ${MAX_LENGTH} bytes`);
  }
  if (rest.length > 0) yield* take(rest);
}
