import { createSecureContext } from 'node:tls';
import { isLoopback, type Listen } from '../address.ts';
import { parseStoreUrl } from '../store/connection/url.ts';
import { CLAIM, JWKS_EXAMPLE, KEY, withoutClaimNames } from './clients.ts';
import { SECRETS } from './files.ts';
import { sitesOverlap } from './mounts.ts';
import { type Checked, type Settings, type ValidSettings, variableOf } from './settings.ts';
import { type Add, unseen, type Valid } from './values.ts';

/** Checks between settings that have one value. */
export function checkSettings(checked: Checked): void {
  rejectUnused(checked);
  requireDifferentAddresses(checked);
  checkClientCertificate(checked);
  const { valid, isSet, add } = checked;
  // A process that can send a line can use up the `max_bytes` of a token.
  const { delivery_listen: udp, webhook_url: url = '' } = valid;
  if (udp !== undefined && !isLoopback(udp.host) && !isSet('delivery_from')) {
    add(
      ['delivery_listen'],
      'an address of this machine only, such as 127.0.0.1:7302; ' +
        'or set POSTERN_DELIVERY_FROM to the addresses of nginx',
    );
  }
  if (isSet('webhook_url') && !isSet('webhook_secret_file')) add(['webhook_secret_file'], SECRETS);
  if (/^http:/i.test(url) && !isSet('webhook_allow')) {
    add(['webhook_url'], 'an https URL: http is only for addresses in POSTERN_WEBHOOK_ALLOW');
  }
  for (const name of ['expires_in', 'resume_for'] as const) {
    const { [name]: value = 0, [`max_${name}` as const]: max = value } = valid;
    // Without a value, the maximum also limits the default.
    if (value <= max || !isSet(name)) continue;
    const maximum = variableOf(`max_${name}`);
    add([name], `at most ${max} seconds, which is the maximum; or set ${maximum} to ${value}`);
  }
  // RFC 6265bis, section 5.7: browsers ignore a cookie with SameSite=None that is not Secure.
  if (valid.cookie_samesite === 'None' && valid.cookie_secure === false) {
    add(
      ['cookie_secure'],
      'true, because browsers drop a cookie with SameSite=None that is not Secure; ' +
        'or set POSTERN_COOKIE_SAMESITE to lax or strict',
    );
  }
}

/** The API needs a client, and tokens of format jwt need a key that signs them. */
export function requireKeys({ valid, isSet, add }: Checked, onTerminal: boolean): void {
  const needsClient = valid.api_listen !== 'off' && !onTerminal;
  if (needsClient && !isSet('api_keys') && !isSet('issuers')) {
    add(
      ['api_keys'],
      'at least one API key, such as web:<secret of 16 characters or more> ' +
        '(Postern generates one at start only on a terminal, where it can show it)',
    );
  }
  if (valid.format === 'jwt' && !isSet('jwt_keys_file')) {
    add(
      ['format'],
      'opaque; or set POSTERN_JWT_KEYS_FILE to a file of keys, ' +
        'such as postern key generate --out /etc/postern/keys.json creates',
    );
  }
}

/** Rejects settings without effect: a connection would be less protected than the operator expects. */
function rejectUnused({ valid, isSet, add }: Checked): void {
  const needs = (isMet: boolean, names: readonly string[], expected: string) => {
    if (!isMet) for (const name of names.filter(isSet)) add([name], `no value, or ${expected}`);
  };
  const webhook = ['webhook_secret_file', 'webhook_allow'];
  needs(isSet('webhook_url'), webhook, 'a URL in POSTERN_WEBHOOK_URL');
  const url = parseStoreUrl(valid.store ?? '');
  if ('expected' in url) return;
  const tls = ['store_ca_file', 'store_cert_file', 'store_key_file', 'store_server_name'];
  const password = ['store_password_file'];
  const sentinel = ['store_sentinel_username', 'store_sentinel_password'];
  const isSentinel = url.kind === 'sentinel';
  const hasPassword = isSet('store_sentinel_password');
  needs(url.isTls, tls, 'TLS in POSTERN_STORE: a URL that begins with rediss');
  needs(isSentinel, sentinel, 'a URL such as redis+sentinel://host/master in POSTERN_STORE');
  needs(hasPassword, sentinel, 'a password in POSTERN_STORE_SENTINEL_PASSWORD');
  needs(url.kind !== 'memory', password, 'a URL of Redis in POSTERN_STORE');
  needs(url.password === undefined, password, 'a URL without a password in POSTERN_STORE');
  if (url.kind === 'memory' && valid.store_replicas) {
    add(['store_replicas'], '0, or a URL of Redis in POSTERN_STORE');
  }
}

const LISTENERS = ['listen', 'api_listen', 'metrics_listen'] as const;

/** A proxy that publishes the API must not publish the gate with it: the gate trusts its headers. */
function requireDifferentAddresses({ valid, isSet, add }: Checked): void {
  for (const [index, one] of LISTENERS.entries()) {
    for (const other of LISTENERS.slice(0, index)) {
      const [a = 'off', b = 'off'] = [valid[one], valid[other]];
      if (a === 'off' || b === 'off' || !collide(a, b)) continue;
      const [invalid, kept] = isSet(one) ? [one, other] : [other, one];
      add(
        [invalid],
        `an address that differs from ${variableOf(kept)}: the gate, which is only for nginx, ` +
          'the API and the metrics cannot share one',
      );
    }
  }
}

const EVERY_ADDRESS = ['0.0.0.0', '::'];

function collide(a: Listen, b: Listen): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  const isSame = a.host.toLowerCase() === b.host.toLowerCase();
  const isEvery = EVERY_ADDRESS.includes(a.host) || EVERY_ADDRESS.includes(b.host);
  return a.port === b.port && (isSame || isEvery);
}

function checkClientCertificate({ valid, isSet, add }: Checked): void {
  const { store_cert_file: cert, store_key_file: key } = valid;
  const missing = ['store_cert_file', 'store_key_file'].filter((name) => !isSet(name));
  if (missing.length === 1) {
    add(
      missing,
      'path of a PEM file: a client certificate needs its key, and a key its certificate',
    );
  }
  if (cert === undefined || key === undefined) return;
  try {
    createSecureContext({ cert, key });
  } catch {
    const expected = 'path of a PEM file with the private key of POSTERN_STORE_CERT_FILE';
    add(['store_key_file'], expected);
  }
}

export function checkApiKeys({ valid, add }: Checked): void {
  // Clients with the same ID would own each other's tokens. Only one of two clients with the same secret would be found.
  const [isNewId, isNewKey] = [unseen(), unseen()];
  for (const [index, key] of valid.api_keys?.entries() ?? []) {
    const report: Add = (path, expected) => add(['api_keys', index, ...path], expected);
    if (!isNewId(key?.id)) report(['id'], 'an id that no earlier API key has');
    const [name = 'key', other] = ['key', 'key_file'].filter((one) => one in (key ?? {}));
    if (key !== undefined && name === 'key' && !('key' in key)) report(['key'], KEY);
    if (other !== undefined) report([other], 'no value, or no key');
    const isNew = [key?.key, ...(key?.key_file ?? [])].every((one) =>
      isNewKey(one?.toString('hex')),
    );
    if (!isNew) report([name], 'a secret that no earlier API key has');
    checkLimits(key, valid, report, (path) => path);
  }
}

/** `iss` in Postern's own tokens, if neither the setting nor the public URL says another one. */
export const DEFAULT_ISSUER = 'postern';

export function checkIssuers({ valid, isSet, add }: Checked): void {
  const { api_keys: keys } = valid;
  // An invalid setting may be the one that is compared.
  const ownIssuer = isSet('jwt_issuer') ? valid.jwt_issuer : (valid.public_url ?? DEFAULT_ISSUER);
  // An invalid ID may be the one that an issuer names.
  const areKnown = keys ? keys.every((key) => key?.id) : !isSet('api_keys');
  const ids = new Set(keys?.flatMap((key) => key?.id ?? []));
  // Issuers with the same ID would own each other's tokens. Only one of two issuers with the same `iss` would be found.
  const [isNewId, isNewIss] = [unseen(new Set(ids)), unseen()];
  for (const [index, entry] of valid.issuers?.entries() ?? []) {
    if (entry === undefined) continue;
    const report: Add = (path, expected) => add(['issuers', index, ...path], expected);
    const { id, issuer, client } = entry;
    if (!isNewId(id)) report(['id'], 'an id that no API key and no earlier issuer has');
    if (!isNewIss(issuer)) report(['issuer'], 'an iss that no earlier issuer has');
    if (issuer !== undefined && issuer === ownIssuer) {
      report(['issuer'], "an iss other than Postern's own (POSTERN_JWT_ISSUER)");
    }
    if (client !== undefined && entry.trusted_for === 'clients') {
      report(['client'], 'no such key: each client owns the tokens that it requests');
    } else if (client !== undefined && areKnown && !ids.has(client)) {
      report(['client'], 'the id of an API key: no API key has this id');
    }
    const [hasUri, hasFile] = ['jwks_uri' in entry, 'jwks_file' in entry];
    if (hasUri && hasFile) report(['jwks_file'], 'jwks_uri or jwks_file, not both');
    if (!hasUri && !hasFile) {
      report(['jwks_uri'], `where its public keys are: jwks_uri, ${JWKS_EXAMPLE}, or jwks_file`);
    }
    checkBraces(entry, report);
    checkLimits(entry, valid, report, withoutClaimNames);
  }
}

type Issuer = Valid<NonNullable<Settings['issuers']>[number]>;

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

type Limits = Pick<Issuer, 'paths' | 'targets' | 'max_expires_in' | 'max_resume_for'>;

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
