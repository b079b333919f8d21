import type { Scope } from '../token/client.ts';
import type { Checked } from './checks.ts';
import { CLAIM, JWKS_EXAMPLE, withoutClaimNames } from './clients.ts';
import { sitesOverlap } from './mounts.ts';
import { DEFAULT_ISSUER, type Settings, type ValidSettings } from './settings.ts';
import { type Add, unseen, type Valid } from './values.ts';

type Issuer = Valid<NonNullable<Settings['issuers']>[number]>;

export function checkApiKeys({ valid, add }: Checked): void {
  // Clients with the same ID would own each other's tokens. Only one of two clients with the same secret would be found.
  const [isNewId, isNewKey] = [unseen(), unseen()];
  for (const [index, key] of valid.api_keys?.entries() ?? []) {
    const report: Add = (path, expected) => add(['api_keys', index, ...path], expected);
    if (key?.id !== undefined && !isNewId(key.id))
      report(['id'], 'an id that no earlier API key has');
    if (key?.key && !isNewKey(key.key.toString('hex'))) {
      report(['key'], 'a secret that no earlier API key has');
    }
    checkLimits(key, valid, report, (path) => path);
  }
}

export function checkIssuers({ valid, isSet, add }: Checked): void {
  const { api_keys: keys } = valid;
  // An invalid setting may be the one that is compared.
  const ownIssuer = isSet('issuer') ? valid.issuer : (valid.public_url ?? DEFAULT_ISSUER);
  // An invalid ID may be the one that an issuer names.
  const areKnown = keys ? keys.every((key) => key?.id) : !isSet('api_keys');
  const ids = new Set(keys?.flatMap((key) => key?.id ?? []));
  // Issuers with the same ID would own each other's tokens. Only one of two issuers with the same `iss` would be found.
  const [isNewId, isNewIss] = [unseen(new Set(ids)), unseen()];
  for (const [index, entry] of valid.issuers?.entries() ?? []) {
    if (entry === undefined) continue;
    const report: Add = (path, expected) => add(['issuers', index, ...path], expected);
    const { id, issuer, client } = entry;
    if (id !== undefined && !isNewId(id)) {
      report(['id'], 'an id that no API key and no earlier issuer has');
    }
    if (issuer !== undefined && !isNewIss(issuer)) {
      report(['issuer'], 'an iss that no earlier issuer has');
    }
    if (issuer !== undefined && issuer === ownIssuer) {
      report(['issuer'], "an iss other than Postern's own (POSTERN_ISSUER)");
    }
    if (client !== undefined && entry.trusted_for === 'clients') {
      report(['client'], 'no such key: each client owns the tokens that it requests');
    } else if (client !== undefined && areKnown && !ids.has(client)) {
      report(['client'], 'the id of an API key: no API key has this id');
    }
    checkKeys(entry, report);
    checkBraces(entry, report);
    checkLimits(entry, valid, report, withoutClaimNames);
  }
}

function checkKeys(entry: Issuer, add: Add): void {
  const [hasUri, hasFile] = ['jwks_uri' in entry, 'jwks_file' in entry];
  if (hasUri && hasFile) add(['jwks_file'], 'jwks_uri or jwks_file, not both');
  if (hasUri || hasFile) return;
  add(['jwks_uri'], `where its public keys are: jwks_uri, ${JWKS_EXAMPLE}, or jwks_file`);
}

function checkBraces({ paths = [], trusted_for: purpose }: Issuer, add: Add): void {
  for (const [index, { prefix }] of paths.entries()) {
    if (!/[{}]/.test(purpose === 'downloads' ? prefix : prefix.replace(CLAIM, ''))) continue;
    add(
      ['paths', index],
      purpose === 'downloads'
        ? 'a public prefix without braces, such as /download/: ' +
            'a segment can be a claim only if trusted_for is clients'
        : 'braces around a claim that is a whole segment, such as /download/users/{sub}/; ' +
            'its name has 1 to 64 letters, digits or _ : . / -',
    );
  }
}

type Limits = Pick<Issuer, 'targets' | 'max_expires_in' | 'max_resume_for'> & {
  readonly paths?: readonly Scope[] | undefined;
};

/** A limit that can never apply, or exceeds the general one, is a mistake. `{}` in a path is any segment. */
function checkLimits(
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
