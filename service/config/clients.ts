import { z } from 'zod';
import { hashSecret } from '../token/client.ts';
import { file } from './files.ts';
import { siteName, sitesOverlap, splitSite } from './mounts.ts';
import type { Checked, ValidSettings } from './settings.ts';
import {
  A_YEAR,
  type Add,
  flag,
  listOf,
  mapping,
  matching,
  PLACE,
  parsed,
  prefix,
  unseen,
  type Valid,
  wholeNumber,
} from './values.ts';

/** The name of an API key or an issuer. `sha256` would be `sha256:<64 hex>` without an ID. */
export const id = matching(
  /^(?!sha256$)[A-Za-z0-9._-]{1,64}$/i,
  'an id of 1 to 64 letters, digits or . _ -, such as web',
);

/** A public prefix that a client may issue for: `/download/`, or `files.example:/media/`. */
export function scopes(pathOf?: (text: string) => string, missing?: string) {
  const expected = 'a public prefix, such as /download/ or files.example:/media/';
  const scope = z.object({ site: siteName.exactOptional(), prefix: prefix(expected, pathOf) });
  const item = z.string(expected).transform(splitSite).pipe(scope).meta(PLACE);
  return listOf('public prefixes', item, missing);
}

const target = prefix('an internal prefix, such as /protected/shared/');

export const limits = {
  targets: listOf('internal prefixes', target).default([]),
  max_expires_in: wholeNumber('seconds', 1, A_YEAR).exactOptional(),
  max_resume_for: wholeNumber('seconds', 0, A_YEAR).exactOptional(),
};

const KEY =
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

export function checkApiKeys({ valid, add }: Checked): void {
  // Clients with the same ID would own each other's tokens. Only one of two clients with the same secret would be found.
  const [isNewId, isNewKey] = [unseen(), unseen()];
  for (const [index, key] of valid.api_keys?.entries() ?? []) {
    const report: Add = (path, expected) => add(['api_keys', index, ...path], expected);
    if (!isNewId(key?.id)) report(['id'], 'an id that no earlier API key has');
    const [name = 'key', other] = ['key', 'key_file'].filter((one) => one in (key ?? {}));
    if (key !== undefined && name === 'key' && !('key' in key)) report(['key'], KEY);
    if (other !== undefined) report([other], 'key or key_file, not both');
    const isNew = [key?.key, ...(key?.key_file ?? [])].every((one) =>
      isNewKey(one?.toString('hex')),
    );
    if (!isNew) report([name], 'a secret that no earlier API key has');
    checkLimits(key, valid, report, (path) => path);
  }
}

type Limits = Omit<Valid<z.output<typeof apiKey>>, 'id' | 'key' | 'key_file' | 'admin'>;

/** A limit that can never apply, or exceeds the general one, is a mistake. `{}` in a path is any segment. */
export function checkLimits(
  { paths = [], targets = [], ...limits }: Limits = {},
  { mounts, ...general }: ValidSettings,
  add: Add,
  pathOf: (path: string) => string,
): void {
  // A mount that is invalid may be the one that matches.
  const known = mounts?.every((mount) => mount?.public && mount.internal) ? mounts : undefined;
  for (const [index, { site, prefix }] of paths.entries()) {
    const canMatch = known?.some(
      (mount) => sitesOverlap(mount?.site, site) && canOverlap(pathOf(prefix), mount?.public ?? ''),
    );
    if (canMatch !== false) continue;
    add(['paths', index], "a prefix under a mount's public prefix: this one can never match");
  }
  for (const [index, target] of targets.entries()) {
    if (known?.some((mount) => target.startsWith(mount?.internal ?? '')) !== false) continue;
    add(['targets', index], "a prefix under a mount's internal prefix: this one can never match");
  }
  for (const name of ['max_expires_in', 'max_resume_for'] as const) {
    const { [name]: own = 0 } = limits;
    const { [name]: max = own } = general;
    if (own > max) add([name], `at most ${max} seconds, the general maximum`);
  }
}

/** Whether one of two prefixes can be under the other. */
function canOverlap(path: string, prefix: string): boolean {
  const segments = prefix.split('/').slice(0, -1);
  return path
    .split('/')
    .slice(0, -1)
    .every((segment, index) => segment === '{}' || segment === (segments[index] ?? segment));
}
