import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Listening, listening } from './postern.ts';

const SECRET = 'the secret of the bucket';

export interface Storage extends Listening {
  /** The request, with the names of headers in lower case. */
  readonly requests: IncomingMessage[];
  /** The presigned query for a GET of a key, as in S3. */
  presign(key: string, expiresIn?: number): string;
  /** Answers the next requests in place of the storage. */
  answer?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
}

/** Headers that nginx adds, and those that it may pass on. */
const EXPECTED = new Set([
  ...['host', 'range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since'],
  'if-unmodified-since',
]);

const MODIFIED = 'Mon, 02 Jan 2006 15:04:05 GMT';

/**
 * A storage with the checks and the error texts of S3: it requires a presigned query with all its
 * arguments, and rejects every unknown header.
 */
export async function startStorage(objects: Readonly<Record<string, string>>): Promise<Storage> {
  const requests: IncomingMessage[] = [];
  const sign = (method: string, path: string, query: string) =>
    createHmac('sha256', SECRET).update(`${method}\n${path}\n${query}`).digest('hex');

  function refusal(request: IncomingMessage): [status: number, code: string] | undefined {
    const { method = '', url = '', rawHeaders } = request;
    const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    if (new Set(names).size !== names.length) return [400, 'DoubledHeader'];
    const unexpected = names.find((name) => !EXPECTED.has(name));
    if (unexpected !== undefined) return [400, `UnexpectedHeader ${unexpected}`];
    const { pathname, search } = new URL(url, 'http://storage');
    const [query = '', signature] = search.slice(1).split('&X-Amz-Signature=');
    if (signature !== sign(method, decodeURIComponent(pathname), query)) {
      return [403, 'SignatureDoesNotMatch'];
    }
    const expires = Number(new URLSearchParams(query).get('X-Amz-Expires'));
    if (expires < Date.now() / 1000) return [403, 'AccessDenied'];
    if (objects[decodeURIComponent(pathname)] === undefined) return [404, 'NoSuchKey'];
    return undefined;
  }

  const storage: Storage = {
    ...(await listening((request, response) => {
      requests.push(request);
      if (storage.answer !== undefined) return storage.answer(request, response);
      const refused = refusal(request);
      for (const [name, value] of CHATTER) response.setHeader(name, value);
      if (refused !== undefined) {
        const [status, code] = refused;
        response.writeHead(status, { 'Content-Type': 'application/xml' });
        return response.end(
          `<Error><Code>${code}</Code><Resource>${request.url}</Resource></Error>`,
        );
      }
      const key = decodeURIComponent(new URL(request.url ?? '', 'http://storage').pathname);
      send(request, response, objects[key] as string);
    })),
    requests,
    presign(key, expiresIn = 60) {
      const expires = Math.floor(Date.now() / 1000) + expiresIn;
      const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2Fus-east-1&X-Amz-Expires=${expires}`;
      return `${query}&X-Amz-Signature=${sign('GET', key, query)}`;
    },
  };
  return storage;
}

/** Headers that an object store sends with an object: its own, and those set by the uploader. */
const CHATTER: ReadonlyArray<readonly [string, string | string[]]> = [
  ['x-amz-id-2', 'id'],
  ['x-amz-request-id', 'id'],
  ['x-amz-server-side-encryption', 'AES256'],
  ['Server', 'AmazonS3'],
  ['Set-Cookie', ['storage=1; Path=/', 'postern=x; Path=/']],
  ['X-Accel-Redirect', '/protected/other.txt'],
  ['X-Accel-Expires', '3600'],
  ['X-Accel-Limit-Rate', '1'],
  ...[
    ...['Cache-Control', 'Expires', 'Vary', 'Content-Disposition'],
    ...['Content-Security-Policy', 'X-Content-Type-Options', 'Referrer-Policy'],
    ...['Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials'],
    ...['Access-Control-Expose-Headers', 'Location', 'Refresh', 'Link', 'Alt-Svc'],
    ...['Strict-Transport-Security', 'Clear-Site-Data', 'Service-Worker-Allowed'],
    ...['Content-Security-Policy-Report-Only', 'Report-To', 'Reporting-Endpoints', 'NEL'],
    ...['x-amz-server-side-encryption-aws-kms-key-id', 'x-goog-encryption-kms-key-name'],
    ...['x-amz-expiration', 'x-amz-website-redirect-location', 'x-amz-meta-s3cmd-attrs'],
    ...['X-Object-Manifest'],
  ].map((name) => [name, 'storage'] as const),
];

function send(request: IncomingMessage, response: ServerResponse, text: string): void {
  const content = Buffer.from(text);
  const { headers } = request;
  response.setHeader('Content-Type', 'text/plain');
  response.setHeader('ETag', '"one"');
  response.setHeader('Last-Modified', MODIFIED);
  response.setHeader('Accept-Ranges', 'bytes');
  if (headers['if-match'] !== undefined && headers['if-match'] !== '"one"') {
    response.writeHead(412, { 'Content-Type': 'application/xml' });
    return void response.end('<Error><Code>PreconditionFailed</Code></Error>');
  }
  if (headers['if-none-match'] === '"one"' || headers['if-modified-since'] === MODIFIED) {
    response.writeHead(304);
    return void response.end();
  }
  const asked = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  if (asked === null || (headers['if-range'] ?? '"one"') !== '"one"') {
    response.setHeader('Content-Length', content.length);
    return void response.end(content);
  }
  const [from, to] = [Number(asked[1]), Math.min(Number(asked[2] || Infinity), content.length - 1)];
  if (from > to) {
    response.writeHead(416, { 'Content-Type': 'application/xml' });
    return void response.end('<Error><Code>InvalidRange</Code></Error>');
  }
  const part = content.subarray(from, to + 1);
  response.writeHead(206, {
    'Content-Range': `bytes ${from}-${to}/${content.length}`,
    'Content-Length': part.length,
  });
  response.end(part);
}
