import { createHash, createHmac } from 'node:crypto';
import type { SignedFile, SignFile } from '../paths/mount.ts';
import { encodePath } from '../paths/path.ts';

/** `secretAccessKey` and `sessionToken` are secrets: never log them. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The objects of a bucket whose keys begin with a prefix. */
export interface StorageLocation {
  /** An origin, such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  readonly style: 'path' | 'virtual-host';
}

/** Seconds for which a storage accepts a signature. */
const VALID_SECONDS = 60;

/** Seconds for which nginx may reuse one. The rest is for retries and other clocks. */
export const MAX_SIGNATURE_REUSE = VALID_SECONDS / 2;

/** The URL of the objects, with a slash at the end. */
export function storageUrl({ endpoint, bucket, prefix, style }: StorageLocation): URL {
  const url = new URL(endpoint);
  if (style === 'virtual-host') url.host = `${bucket}.${url.host}`;
  url.pathname = encodeKey(style === 'path' ? `/${bucket}/${prefix}` : `/${prefix}`);
  return url;
}

/** Why a bucket cannot become part of the host, as a phrase for a message; undefined if it can. */
export function bucketHostError(bucket = '', endpoint = ''): string | undefined {
  if (!/^[a-z0-9.-]*$/.test(bucket)) {
    return 'a host name cannot have the upper-case letters and _ of this bucket';
  }
  if (bucket.includes('.') && endpoint.startsWith('https:')) {
    return 'the certificate of the storage does not cover a bucket with a dot';
  }
  if (bucket === '' || endpoint === '') return undefined;
  const url = new URL(endpoint);
  const { hostname } = url;
  // An invalid host, such as media.10.0.0.5, changes nothing. A report must show neither of them.
  url.hostname = `${bucket}.${hostname}`;
  return url.hostname === hostname
    ? 'the bucket and the endpoint do not form a host name'
    : undefined;
}

/**
 * Signs a GET for an object: AWS Signature Version 4 in the query, for the header `host` only.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
 */
export function createSign(
  location: StorageLocation,
  credentials: Credentials,
  now: () => number,
): SignFile {
  const { host, pathname } = storageUrl(location);
  const { region } = location;
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const secondOf = (time: number) => Math.floor(time / 1000);
  let signer = signerAt(secondOf(now()));
  let last: { readonly name: string; readonly file: SignedFile } | undefined;

  return function sign(name) {
    const second = secondOf(now());
    if (second !== signer.second) {
      signer = signerAt(second);
      last = undefined;
    }
    // The ranges of one download come in bursts, and have the same signature.
    if (last?.name !== name) {
      const object = encodeKey(name);
      const args = `${signer.query}&X-Amz-Signature=${signer.sign(pathname + object)}`;
      last = { name, file: { object, args } };
    }
    return last.file;
  };

  /** The part that all signatures of one second have in common. */
  function signerAt(second: number) {
    const date = new Date(second * 1000).toISOString().replace(/[-:]|\.\d+/g, '');
    const day = date.slice(0, 8);
    const scope = `${day}/${region}/s3/aws4_request`;
    // The arguments are in the order of their names, as the signature requires.
    const query = [
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Credential=${encode(`${accessKeyId}/${scope}`)}`,
      `X-Amz-Date=${date}`,
      `X-Amz-Expires=${VALID_SECONDS}`,
      ...(sessionToken === undefined ? [] : [`X-Amz-Security-Token=${encode(sessionToken)}`]),
      'X-Amz-SignedHeaders=host',
    ].join('&');
    const rest = `\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`;
    let key = Buffer.from(`AWS4${secretAccessKey}`);
    for (const part of [day, region, 's3', 'aws4_request']) {
      key = createHmac('sha256', key).update(part).digest();
    }
    return {
      second,
      query,
      sign(path: string): string {
        const request = createHash('sha256').update(`GET\n${path}${rest}`).digest('hex');
        const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${request}`;
        return createHmac('sha256', key).update(text).digest('hex');
      },
    };
  }
}

const UNRESERVED = /^[A-Za-z0-9\-._~/]*$/;

/** Percent-encodes the UTF-8 bytes of a key once, except unreserved characters and slashes. */
function encodeKey(key: string): string {
  return UNRESERVED.test(key) ? key : encodeMarks(encodePath(key));
}

function encode(text: string): string {
  return encodeMarks(encodeURIComponent(text));
}

/** The characters that encodeURIComponent leaves, and that are reserved in RFC 3986. */
function encodeMarks(text: string): string {
  return text.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
