import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { prefixError } from '../site/path.ts';
import { file, outside, withoutLineBreak } from './files.ts';
import {
  type Add,
  checked,
  defined,
  HOST_NAME,
  mapping,
  matching,
  oneOf,
  origin,
  type Valid,
  withChecks,
} from './values.ts';

const ENDPOINT =
  'the origin of the storage, without user, path and query, such as https://s3.eu-central-1.amazonaws.com';

/** The address of a storage. Plain HTTP is for a storage in the same network. */
const endpoint = origin(ENDPOINT).refine((text) => {
  // A URL may have a host with braces or a semicolon, which nginx would read as its configuration.
  const { hostname } = new URL(text);
  return HOST_NAME.test(hostname) || isIPv6(hostname.slice(1, -1));
}, ENDPOINT);

const KEY_PREFIX = 'the first part of the keys, such as videos/';

/** The start of each key of a mount. */
const keyPrefix = checked(KEY_PREFIX, (text) => {
  const problem = text === '' ? undefined : prefixError(`/${text}`);
  return problem === undefined ? undefined : `${KEY_PREFIX}: after a slash, it ${problem}`;
});

/** An access key ID, a secret access key or a session token. */
const ACCESS_KEY = /^[\x21-\x7e]{1,4096}$/;

const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;

/** The variables that the tools of AWS use as well. Only the session token may be absent. */
const environment = z
  .literal('environment', 'environment, for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  .transform((_, context) => {
    const [id = '', secret = '', token] = VARIABLES.map((name) => outside.env[name] || undefined);
    const values = [id, secret, token ?? 'none'];
    const invalid = VARIABLES.filter((_, index) => !ACCESS_KEY.test(values[index] ?? ''));
    if (invalid.length > 0) {
      const names = invalid.join(' and ');
      context.addIssue(`environment, with ASCII characters without spaces in ${names}`);
    }
    return credentials(id, secret, token);
  });

const keyFile = (what: string) =>
  file(`path of a file with the ${what} on one line`, (text) => {
    const line = withoutLineBreak(text);
    return ACCESS_KEY.test(line) ? line : undefined;
  });

export const storageFields = {
  type: z.literal('s3', 's3, the only type of storage'),
  endpoint,
  region: matching(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    'the region of the bucket, such as eu-central-1, us-east-1 for MinIO, or auto for R2',
  ),
  bucket: matching(
    /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/,
    'the name of a bucket: 3 to 63 letters, digits or . _ -, such as my-media',
  ),
  prefix: keyPrefix.default(''),
  style: oneOf('path', 'virtual-host').default('path'),
  credentials: environment.optional(),
  access_key_id: matching(
    ACCESS_KEY,
    'the access key ID of the storage, in ASCII without spaces',
  ).optional(),
  secret_access_key_file: keyFile('secret access key').optional(),
  session_token_file: keyFile('session token').optional(),
};

/** The object store of a mount. The credentials are secrets: never log them. */
export const storage = withChecks(mapping(storageFields), checkStorage).transform((values) => {
  const { access_key_id: id = '', secret_access_key_file: secret = '', ...others } = values;
  const { session_token_file: token, credentials: ofEnvironment, ...location } = others;
  return { ...location, credentials: ofEnvironment ?? credentials(id, secret, token) };
});

export type StorageSettings = z.output<typeof storage>;

function credentials(accessKeyId: string, secretAccessKey: string, sessionToken?: string) {
  return { accessKeyId, secretAccessKey, ...defined({ sessionToken }) };
}

type Fields = Valid<z.output<z.ZodObject<typeof storageFields>>>;

function checkStorage(fields: Fields, add: Add): void {
  const problem = fields.style === 'virtual-host' && bucketHostProblem(fields);
  if (problem) add(['style'], problem);
  if ('credentials' in fields) {
    const names = ['access_key_id', 'secret_access_key_file', 'session_token_file'];
    for (const name of names) if (name in fields) add([name], 'no value, or no credentials');
  } else if (fields.access_key_id === undefined) {
    add(['credentials'], 'environment; or set access_key_id and secret_access_key_file instead');
  } else if (fields.secret_access_key_file === undefined) {
    add(['secret_access_key_file'], 'path of a file with the secret access key');
  }
}

/** The bucket becomes part of the host. */
function bucketHostProblem({ bucket = '', endpoint = '' }: Fields): string | undefined {
  if (!/^[a-z0-9.-]*$/.test(bucket)) {
    return 'path: a host name cannot have the upper-case letters and _ of this bucket';
  }
  if (bucket.includes('.') && endpoint.startsWith('https:')) {
    return 'path: the certificate of the storage does not cover a bucket with a dot';
  }
  if (bucket === '' || endpoint === '') return undefined;
  const url = new URL(endpoint);
  const { hostname } = url;
  // An invalid host, such as media.10.0.0.5, changes nothing. A report must show neither of them.
  url.hostname = `${bucket}.${hostname}`;
  return url.hostname === hostname
    ? 'path: the bucket and the endpoint do not form a host name'
    : undefined;
}
