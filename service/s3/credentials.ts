import type { Credentials } from './sign.ts';

/** An access key ID, a secret access key or a session token. */
const ACCESS_KEY = /^[\x21-\x7e]{1,4096}$/;

/** The variables that the tools of AWS use as well. Only the session token may be absent. */
const VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;

/** The names in a file of `aws configure export-credentials`, in the same order. */
const NAMES = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'] as const;

const FILE = 'path of a JSON file with AccessKeyId, SecretAccessKey and, if needed, SessionToken';

export const CREDENTIALS = `environment, or the ${FILE}`;

/** The credentials in the environment, or in the text of a JSON file. Otherwise, the result says what is expected. */
export function readCredentials(
  from: Readonly<Record<string, string | undefined>> | string,
): Credentials | string {
  const isFile = typeof from === 'string';
  const names = isFile ? NAMES : VARIABLES;
  const values: Readonly<Record<string, unknown>> = isFile ? object(from) : from;
  const [id = '', secret = '', token = ''] = names.map((name) => String(values[name] ?? ''));
  const areValid = [id, secret, token || 'none'].map((value) => ACCESS_KEY.test(value));
  const invalid = names.filter((_, index) => !areValid[index]).join(' and ');
  if (invalid !== '') {
    const where = isFile ? FILE : 'environment';
    return `${where}, with ASCII characters without spaces in ${invalid}`;
  }
  return {
    accessKeyId: id,
    secretAccessKey: secret,
    ...(token !== '' && { sessionToken: token }),
  };
}

/** Empty if the text is not an object in JSON. The error is dropped: it may quote the file. */
function object(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
