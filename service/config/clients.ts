import { z } from 'zod';
import { isLoopback } from '../address.ts';
import { hashSecret } from '../token/client.ts';
import { file } from './files.ts';
import { siteName, splitSite } from './mounts.ts';
import {
  A_YEAR,
  flag,
  isPlain,
  jwksFile,
  jwtName,
  listOf,
  mapping,
  matching,
  oneOf,
  PLACE,
  parsed,
  parseUrl,
  prefix,
  WORD,
  wholeNumber,
} from './values.ts';

/** The name of an API key or an issuer. `sha256` would be `sha256:<64 hex>` without an ID. */
const id = matching(
  /^(?!sha256$)[A-Za-z0-9._-]{1,64}$/i,
  'an id of 1 to 64 letters, digits or . _ -, such as web',
);

/** A public prefix that a client may issue for: `/download/`, or `files.example:/media/`. */
function scopes(pathOf?: (text: string) => string, missing?: string) {
  const expected = 'a public prefix, such as /download/ or files.example:/media/';
  const scope = z.object({ site: siteName.exactOptional(), prefix: prefix(expected, pathOf) });
  const item = z.string(expected).transform(splitSite).pipe(scope).meta(PLACE);
  return listOf('public prefixes', item, missing);
}

const target = prefix('an internal prefix, such as /protected/shared/');

/** The limits of an API key or an issuer. */
const limits = {
  targets: listOf('internal prefixes', target).default([]),
  max_expires_in: wholeNumber('seconds', 1, A_YEAR).exactOptional(),
  max_resume_for: wholeNumber('seconds', 0, A_YEAR).exactOptional(),
};

export const KEY =
  'at least 16 ASCII characters without spaces and commas, such as the output of openssl rand -hex 24. ' +
  'The file needs the hash instead: sha256: and 64 hex digits, from printf %s "$KEY" | sha256sum';

const HASH =
  'the hash of this key, because the file needs its hash: sha256: and 64 hex digits, ' +
  'from printf %s "$KEY" | sha256sum; or key_file with the path of a file that has the key';

const KEY_FILE =
  'path of a file with a key on each line: at least 16 ASCII characters without spaces and commas, or sha256: and 64 hex digits';

/** Two lines are two keys of the client, so that it can change its key without a failed request. */
const keyFile = file(KEY_FILE, (text) => {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter(Boolean).map((line) => hashOf(hashedKey(line)));
  return keys.length > 0 && keys.every((key) => key !== undefined) ? keys : undefined;
});

function hashOf(text: string): Buffer | undefined {
  const hex = /^sha256:([\da-f]{64})$/i.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
}

/** Whether a text is a key in plain text. In upper case, too, SHA256: is not the start of a key. */
const isKey = (text: string) => /^(?!sha256:)[\x21-\x2b\x2d-\x7e]{16,}$/i.test(text);

/** The hash of a key in plain text. Another text stays as it is. */
function hashedKey(text: string): string {
  return isKey(text) ? `sha256:${hashSecret(text).toString('hex')}` : text;
}

const apiKey = mapping(
  {
    id,
    // A key of the environment is already its hash.
    key: parsed(KEY, (text, report) => (isKey(text) ? report(HASH) : hashOf(text))).exactOptional(),
    key_file: keyFile.exactOptional(),
    paths: scopes()
      .min(1, 'at least one public prefix; without paths the client may issue for all')
      .exactOptional(),
    ...limits,
    admin: flag.default(false),
  },
  'in POSTERN_API_KEYS <id>:<secret> with a colon, and no comma in the secret; in the file ',
);

export const apiKeyList = listOf('API keys', apiKey).min(1, 'at least one API key');

/** The entries of `web:<secret>,batch:sha256:<64 hex>`. An invalid one stays a text. */
export function apiKeysOfText(text: string): unknown[] {
  return text.split(',').map((part) => {
    const [, id, secret = ''] = /^([^:]*):(.*)$/s.exec(part.trim()) ?? [];
    if (id === undefined) return part.trim();
    return { id, key: hashedKey(secret) };
  });
}

export const JWKS_EXAMPLE = 'such as https://login.example/jwks.json';

/** The URL must be https: over plain HTTP, an attacker could send other keys. Loopback does not leave the machine. */
const jwksUri = parsed(`an https URL, ${JWKS_EXAMPLE}`, (text, report) => {
  const url = /^https?:/.test(text) ? parseUrl(text) : undefined;
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) {
    return report(`an https URL, ${JWKS_EXAMPLE}: http is only for 127.0.0.1, [::1] or localhost`);
  }
  if (url && !isPlain(url)) report(`a URL without user name, password and #, ${JWKS_EXAMPLE}`);
  return url && text;
});

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;

const NO_PATHS =
  'the public prefixes that its JWTs may be for, such as [/download/]: ' +
  'without them, its JWTs could be for every file';

/** `{sub}` as a whole segment. A name may contain a slash: some claims are named by a URL. */
export const CLAIM = /(?<=\/)\{[A-Za-z0-9_:./-]{1,64}\}(?=\/)/g;

/** A path with `{}` for each claim, so that the name of a claim does not count as path. */
export function withoutClaimNames(path: string): string {
  return path.replace(CLAIM, '{}');
}

const issuer = mapping({
  id,
  issuer: jwtName('exactly the iss claim of its JWTs: '),
  audience: jwtName('exactly the aud claim of its JWTs: '),
  jwks_uri: jwksUri.exactOptional(),
  jwks_file: jwksFile.meta(PLACE).exactOptional(),
  trusted_for: z
    .enum(
      ['downloads', 'clients'],
      'downloads, if it signs download tokens, or clients, if it calls the API',
    )
    .meta(WORD),
  algorithms: listOf('algorithms', oneOf(...ALGORITHMS))
    .min(1, 'at least one algorithm')
    .transform((names) => [...new Set(names)])
    .default([...ALGORITHMS]),
  paths: scopes(withoutClaimNames, NO_PATHS).min(1, 'at least one public prefix'),
  ...limits,
  client: id.exactOptional(),
});

export const issuerList = listOf('issuers', issuer).min(1, 'at least one issuer');
