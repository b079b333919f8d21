import { createSecureContext } from 'node:tls';
import { isLoopback, type Listen } from '../address.ts';
import { parseStoreUrl } from '../store/connection/url.ts';
import { SECRETS } from './files.ts';
import { type Checked, variableOf } from './settings.ts';

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
