/** An answer as it came over the wire. */
export interface Answer {
  readonly status: number;
  /** Names in lower case, in the order and number in which they came. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly body: Buffer;
}

/** The first header of a name, which is in lower case. */
export function headerOf({ headers }: Answer, name: string): string | undefined {
  return headers.find(([own]) => own === name)?.[1];
}

/** The answer that these bytes hold (RFC 9112); undefined: more must come. */
export function readAnswer(bytes: Buffer, isHead: boolean, ended: boolean): Answer | undefined {
  let [begin, end] = [0, bytes.indexOf('\r\n\r\n')];
  // 100 and 103 come before the answer itself: of a hostile site so many that recursion would end in an error.
  while (end >= 0 && /^HTTP\/1\.[01] 1\d\d/.test(bytes.toString('latin1', begin, begin + 12))) {
    begin = end + 4;
    end = bytes.indexOf('\r\n\r\n', begin);
  }
  if (end < 0) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', begin, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0);
  const after = bytes.subarray(end + 4);
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const head = { status, headers, body: Buffer.alloc(0) };
  if (isHead || status === 204 || status === 304) return head;
  const body = readBody(head, after, ended);
  return body && { ...head, body };
}

function readBody(head: Answer, after: Buffer, ended: boolean): Buffer | undefined {
  if (headerOf(head, 'transfer-encoding') === 'chunked') return readChunks(after, ended);
  const length = Number(headerOf(head, 'content-length') ?? Number.POSITIVE_INFINITY);
  if (after.length >= length) return after.subarray(0, length);
  return ended ? after : undefined;
}

function readChunks(after: Buffer, ended: boolean): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = after.indexOf('\r\n', at);
    // A negative one would lead back, and round in a circle.
    const digits = line < 0 ? undefined : /^[\da-f]+/i.exec(after.toString('latin1', at, line));
    const size = digits ? Number.parseInt(digits[0], 16) : Number.NaN;
    if (size === 0) return Buffer.concat(chunks);
    const next = line + 2 + size + 2;
    if (!(after.length >= next)) return ended ? Buffer.concat(chunks) : undefined;
    chunks.push(after.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
