import { z } from 'zod';
import { type ApiKey, hashSecret, type Scope } from '../token/client.ts';
import { type MountEntry, siteName, sitesOverlap, splitSite } from './mounts.ts';
import type { Add, Valid } from './values.ts';
import {
  A_YEAR,
  defined,
  flag,
  id,
  listOf,
  mapping,
  parsed,
  prefix,
  unseen,
  wholeNumber,
} from './values.ts';

/** A public prefix that a client may issue for: `/download/`, or `files.example:/media/`. */
export function scopes(pathOf?: (text: string) => string, missing?: string) {
  const expected = 'a public prefix, such as /download/ or files.example:/media/';
  const scope = z.object({ site: siteName.exactOptional(), prefix: prefix(expected, pathOf) });
  const item = z.string(expected).transform(splitSite).pipe(scope);
  return listOf('public prefixes', item, missing);
}

const target = prefix('an internal prefix, such as /protected/shared/');

/** The limits of an API key or an issuer. */
export const limits = {
  targets: listOf('internal prefixes', target).default([]),
  max_expires_in: wholeNumber('seconds', 1, A_YEAR).optional(),
  max_resume_for: wholeNumber('seconds', 0, A_YEAR).optional(),
};

const KEY =
  'sha256: and 64 hex digits, the hash of a key: to compute it, printf %s "$KEY" | sha256sum. Only POSTERN_API_KEYS ' +
  'can contain the key itself: at least 16 ASCII characters without spaces and commas, as openssl rand -hex 24 prints';

const hash = parsed(KEY, (text) => {
  const hex = /^sha256:([\da-f]{64})$/i.exec(text)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex');
});

export const apiKeyFields = {
  id,
  key: hash,
  paths: scopes()
    .min(1, 'at least one public prefix; without paths the client may issue for all')
    .optional(),
  ...limits,
  admin: flag.default(false),
};

export const apiKeyList = listOf(
  'API keys',
  mapping(
    apiKeyFields,
    ', or in POSTERN_API_KEYS <id>:<secret> with a colon; a secret cannot contain a comma',
  ),
).min(1, 'at least one API key');

/** The entries of `web:<secret>,batch:sha256:<64 hex>`. An invalid one stays a text. */
export function apiKeysOfText(text: string): unknown[] {
  return text.split(',').map((part) => {
    const [, id, secret = ''] = /^([^:]*):(.*)$/s.exec(part.trim()) ?? [];
    if (id === undefined) return part.trim();
    // In upper case, too: SHA256: is not the start of a secret.
    const isKey = /^(?!sha256:)[\x21-\x2b\x2d-\x7e]{16,}$/i.test(secret);
    return { id, key: isKey ? `sha256:${hashSecret(secret).toString('hex')}` : secret };
  });
}

type Entry = z.output<typeof apiKeyList>[number];

/** General values that are the defaults of those of a client, and their maximum. */
export interface General {
  readonly max_expires_in: number;
  readonly max_resume_for: number;
}

export function toApiKey({ key: sha256, paths, admin, ...entry }: Entry, general: General): ApiKey {
  const { id, targets } = entry;
  const client = { id, ...toLimits(entry, general), targets, ...defined({ paths }) };
  return { sha256, client: { ...client, ...(admin && { admin }) } };
}

export function toLimits(entry: Valid<General>, general: General) {
  return {
    maxExpiresIn: entry.max_expires_in ?? general.max_expires_in,
    maxResumeFor: entry.max_resume_for ?? general.max_resume_for,
  };
}

/** The settings that the entries must match. */
export type Compared = Valid<General> & {
  readonly mounts?: readonly (MountEntry | undefined)[] | undefined;
};

export function checkApiKeys(
  { api_keys: keys = [], ...general }: Compared & Valid<{ api_keys: Entry[] }>,
  add: Add,
): void {
  // Clients with the same ID would own each other's tokens. Only one of two clients with the same secret would be found.
  const [isNewId, isNewKey] = [unseen(), unseen()];
  for (const [index, key] of keys.entries()) {
    const report: Add = (path, expected) => add(['api_keys', index, ...path], expected);
    if (key?.id !== undefined && !isNewId(key.id))
      report(['id'], 'an id that no earlier API key has');
    if (key?.key && !isNewKey(key.key.toString('hex'))) {
      report(['key'], 'a secret that no earlier API key has');
    }
    checkLimits(key, general, report, (path) => path);
  }
}

type Limits = Valid<General & { paths: readonly Scope[]; targets: readonly string[] }>;

/** A limit that can never apply, or exceeds the general one, is a mistake. `{}` in a path is any segment. */
export function checkLimits(
  { paths = [], targets = [], ...limits }: Limits = {},
  { mounts, ...general }: Compared,
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
  for (const [name, min] of [
    ['max_expires_in', 1],
    ['max_resume_for', 0],
  ] as const) {
    const [own, max] = [limits[name], general[name]];
    if (own !== undefined && max !== undefined && own > max) {
      add([name], `${min} to ${max} seconds`);
    }
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
