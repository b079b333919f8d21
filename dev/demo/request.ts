import { createHash } from 'node:crypto';

/** One request: sent by Node.js, shown as a curl command. */
export interface Request {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes it a POST. */
  readonly body?: string;
  /** First and last byte. */
  readonly range?: readonly [number, number];
  /** Show a checksum of the file, or the whole response. */
  readonly show: 'checksum' | 'answer';
}

export interface Reply {
  readonly status: number;
  readonly bytes: number;
  readonly sha256: string;
  /** The body, if it is short. */
  readonly text: string;
}

const SHORT = 64 * 1024;

export async function send({ url, headers, body, range }: Request): Promise<Reply> {
  const response = await fetch(url, {
    headers: {
      // The type that curl sends with -d.
      ...(body !== undefined && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      ...(range && { Range: `bytes=${range.join('-')}` }),
      ...headers,
    },
    ...(body !== undefined && { method: 'POST', body }),
    redirect: 'manual',
  });
  const hash = createHash('sha256');
  let bytes = 0;
  let text = '';
  const utf8 = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes <= SHORT) text += utf8.decode(chunk, { stream: true });
  }
  return { status: response.status, bytes, sha256: hash.digest('hex'), text };
}

/** The same request as a shell command, on one line. */
export function curlLine({ url, headers = {}, body, range, show }: Request): string {
  const args = [
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    ...(body === undefined ? [] : ['-d', body]),
    ...(range === undefined ? [] : ['-r', range.join('-')]),
    url,
  ];
  const line = ['curl', show === 'checksum' ? '-sS' : '-i', ...args.map(quote)].join(' ');
  return show === 'checksum' ? `${line} | ${checksumProgram}` : line;
}

const checksumProgram = process.platform === 'darwin' ? 'shasum -a 256' : 'sha256sum';

/** Quotes a text for any POSIX shell. */
function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
