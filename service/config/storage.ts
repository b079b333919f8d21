import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { prefixError } from '../site/path.ts';
import type { Environment } from './environment.ts';
import type { ConfigErrors } from './errors.ts';
import {
  type Complete,
  createFileReader,
  defined,
  type Fields,
  type ReadFile,
  readEntry,
  type SourcedValue,
  withoutLineBreak,
} from './source.ts';
import * as urls from './urls.ts';
import * as values from './values.ts';

const ENDPOINT = 'the origin of the storage, such as https://s3.eu-central-1.amazonaws.com';

/** The address of a storage. Plain HTTP is for a storage in the same network. */
const endpoint = values
  .checked((text) => {
    const url = urls.parseUrl(text);
    if (url === undefined) return ENDPOINT;
    const rest = url.username + url.password + url.pathname + url.search + url.hash;
    if (rest !== '/') return `${ENDPOINT}: without user, path and query`;
    // A URL may have a host with braces or a semicolon, which nginx would read as its configuration.
    return values.HOST_NAME.test(url.hostname) || isIPv6(url.hostname.slice(1, -1))
      ? undefined
      : ENDPOINT;
  }, ENDPOINT)
  .transform((text) => new URL(text).origin);

const region = values.matching(
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
  'the region of the bucket, such as eu-central-1, us-east-1 for MinIO, or auto for R2',
);

const bucket = values.matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/,
  'the name of a bucket: 3 to 63 letters, digits or . _ -, such as my-media',
);

const KEY_PREFIX = 'the first part of the keys, such as videos/';

/** The start of each key of a mount. */
const keyPrefix = values.checked((text) => {
  const problem = text === '' ? undefined : prefixError(`/${text}`);
  return problem === undefined ? undefined : `${KEY_PREFIX}: after a slash, it ${problem}`;
}, KEY_PREFIX);

/** An access key ID, a secret access key or a session token. */
const accessKey = (what: string) =>
  values.matching(/^[\x21-\x7e]{1,4096}$/, `the ${what} of the storage, in ASCII without spaces`);

const STYLES = ['path', 'virtual-host'] as const;

const FIELDS = {
  type: z.literal('s3', 's3, the only type of storage'),
  endpoint,
  region,
  bucket,
  /** Before each key; the bucket may have other objects. */
  prefix: keyPrefix.default(''),
  style: z.enum(STYLES, `one of ${STYLES.join(', ')}`).default('path'),
};

const CREDENTIAL_FIELDS = {
  credentials: z
    .literal('environment', 'environment, for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
    .optional(),
  access_key_id: accessKey('access key ID').optional(),
  secret_access_key_file: values.path('/run/secrets/s3-secret-key').optional(),
  session_token_file: values.path('/run/secrets/s3-session-token').optional(),
};

export const STORAGE_FIELDS = [...Object.keys(FIELDS), ...Object.keys(CREDENTIAL_FIELDS)];

/** `credentials` are secrets: never log them. */
export type StorageSettings = Complete<typeof FIELDS> & { readonly credentials: Credentials };

type Credentials = NonNullable<ReturnType<typeof complete>>;

/** Where credentials come from. */
export interface Secrets {
  readonly env: Environment;
  readonly readFile: ReadFile;
}

/** The object store of a mount; undefined, with issues, if a field is invalid. */
export function readStorage(
  sourced: SourcedValue,
  secrets: Secrets,
  errors: ConfigErrors,
): StorageSettings | undefined {
  const before = errors.count;
  const fields = readEntry(sourced, STORAGE_FIELDS, errors);
  if (fields === undefined) return undefined;
  const location = fields.read(FIELDS);
  const hostProblem = location.style === 'virtual-host' && bucketHostProblem(location);
  if (hostProblem) fields.add('style', hostProblem);
  const credentials = readCredentials(fields, secrets, errors);
  if (errors.count > before || credentials === undefined) return undefined;
  return { ...(location as Complete<typeof FIELDS>), credentials };
}

/** The bucket becomes part of the host. */
function bucketHostProblem({ bucket = '', endpoint = '' }): string | undefined {
  if (!/^[a-z0-9.-]*$/.test(bucket)) {
    return 'path: a host name cannot have the upper-case letters and _ of this bucket';
  }
  if (bucket.includes('.') && endpoint.startsWith('https:')) {
    return 'path: the certificate of the storage does not cover a bucket with a dot';
  }
  if (bucket === '' || endpoint === '') return undefined;
  const url = new URL(endpoint);
  const { hostname } = url;
  // An invalid host, such as media.10.0.0.5, changes nothing. The text does not show it, as in shown.ts.
  url.hostname = `${bucket}.${hostname}`;
  return url.hostname === hostname
    ? 'path: the bucket and the endpoint do not form a host name'
    : undefined;
}

const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;

function readCredentials(
  fields: Fields,
  { env, readFile }: Secrets,
  errors: ConfigErrors,
): Credentials | undefined {
  const read = fields.read(CREDENTIAL_FIELDS);
  const names = ['access_key_id', 'secret_access_key_file', 'session_token_file'];
  if (!fields.has('credentials') && !fields.has('access_key_id')) {
    const expected = 'environment; or set access_key_id and secret_access_key_file instead';
    return fields.add('credentials', expected);
  }
  if (fields.has('credentials')) {
    for (const name of names) if (fields.has(name)) fields.add(name, 'no value, or no credentials');
    const [id, secret, token] = VARIABLES.map((field) => fromEnvironment(field, env, errors));
    return complete(id, secret, token);
  }
  if (!fields.has('secret_access_key_file')) {
    fields.add('secret_access_key_file', 'the path of a file with the secret access key');
  }
  const fromFile = createFileReader(read, fields, readFile);
  const onOneLine = 'the path of a file with the value on one line';
  const [secret, token] = (['secret_access_key_file', 'session_token_file'] as const).map((name) =>
    fromFile(name, onOneLine, (text) => accessKey('').parse(withoutLineBreak(text))),
  );
  return complete(read.access_key_id, secret, token);
}

/** A variable that the tools of AWS use as well. Only the session token may be absent. */
function fromEnvironment(field: string, env: Environment, errors: ConfigErrors) {
  const value = env[field];
  if (!value && field === 'AWS_SESSION_TOKEN') return undefined;
  const { data, error } = accessKey('credential').safeParse(value || undefined);
  if (error === undefined) return data;
  const why = 'because the storage of a mount has "credentials: environment"';
  return errors.add({ field }, `${error.issues[0]?.message}, ${why}`);
}

function complete(id?: string, secret?: string, sessionToken?: string) {
  if (id === undefined || secret === undefined) return undefined;
  return { accessKeyId: id, secretAccessKey: secret, ...defined({ sessionToken }) };
}
