import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { parseStoreUrl, type StoreUrl } from '../store-url.ts';
import type { ConfigErrors } from './errors.ts';
import { type ReadFile, readText } from './file.ts';
import { type ValidPlain, variableOf } from './settings.ts';
import type { SourcedValues } from './source.ts';

export interface StoreSettings {
  /** `memory:` or a URL of Redis, which may contain a password: never log it. */
  readonly url: string;
  /** Before every key. */
  readonly prefix: string;
  /** Milliseconds that a command may take. */
  readonly timeoutMs: number;
  /** How many replicas confirm revocations and new requesters. */
  readonly replicas: number;
  /** From a file, instead of the URL's. */
  readonly password?: string;
  /** PEM texts, and the name in the certificates. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  };
  /** For the sentinels themselves. */
  readonly sentinel?: { readonly username?: string; readonly password?: string };
}

const TLS_SETTINGS = ['store_ca_file', 'store_cert_file', 'store_key_file', 'store_server_name'];
const SENTINEL_SETTINGS = ['sentinel_username', 'sentinel_password'];

/** The settings of the store and the files that they name; undefined, with issues, if one is invalid. */
export function readStore(
  plain: ValidPlain,
  settings: SourcedValues,
  readFile: ReadFile,
  errors: ConfigErrors,
): StoreSettings | undefined {
  const { store: text, store_prefix: prefix, store_timeout_ms: timeoutMs } = plain;
  const { store_replicas: replicas } = plain;
  if (text === undefined || prefix === undefined) return undefined;
  if (timeoutMs === undefined || replicas === undefined) return undefined;
  const url = parseStoreUrl(text);
  if ('expected' in url) return undefined;
  rejectUnused(url, replicas, settings, errors);

  const file = (name: keyof ValidPlain) => {
    const setting = settings.get(name);
    if (setting === undefined || plain[name] === undefined) return undefined;
    return readText(setting, readFile, errors);
  };
  const password = readPassword(file('store_password_file'), settings, errors);
  const pem = {
    ...given('ca', file('store_ca_file')),
    ...given('cert', file('store_cert_file')),
    ...given('key', file('store_key_file')),
  };
  checkPem(pem, settings, errors);
  const tls = { ...pem, ...given('serverName', plain.store_server_name) };
  const sentinel = {
    ...given('username', plain.sentinel_username),
    ...given('password', plain.sentinel_password),
  };
  return {
    url: text,
    prefix,
    timeoutMs,
    replicas,
    ...given('password', password),
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(Object.keys(sentinel).length > 0 && { sentinel }),
  };
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

/** A setting without effect is a mistake: a connection would not be protected as it seems to be. */
function rejectUnused(
  url: StoreUrl,
  replicas: number,
  settings: SourcedValues,
  errors: ConfigErrors,
): void {
  const reject = (names: readonly string[], expected: string) => {
    for (const name of names) {
      const setting = settings.get(name);
      if (setting !== undefined) errors.add(setting, expected);
    }
  };
  const store = variableOf('store');
  if (!url.isTls) {
    reject(TLS_SETTINGS, `no value, or TLS in ${store}: a URL that begins with rediss`);
  }
  if (url.kind !== 'sentinel') {
    reject(
      SENTINEL_SETTINGS,
      `no value, or a URL such as redis+sentinel://host/master in ${store}`,
    );
  }
  if (!settings.has('sentinel_password')) {
    reject(['sentinel_username'], `no value, or a password in ${variableOf('sentinel_password')}`);
  }
  if (url.kind === 'memory') {
    if (replicas > 0) reject(['store_replicas'], `0, or a URL of Redis in ${store}`);
    reject(['store_password_file'], `no value, or a URL of Redis in ${store}`);
  } else if (url.password !== undefined) {
    reject(['store_password_file'], `no value, or a URL without a password in ${store}`);
  }
}

function readPassword(
  text: string | undefined,
  settings: SourcedValues,
  errors: ConfigErrors,
): string | undefined {
  // Most editors end a file with a line break.
  const password = text?.replace(/\r?\n$/, '');
  const setting = settings.get('store_password_file');
  if (password === undefined || setting === undefined) return undefined;
  if (password !== '' && !/\p{Cc}/u.test(password)) return password;
  return errors.add(setting, 'the path of a file with the password on one line');
}

interface Pem {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

function checkPem({ ca, cert, key }: Pem, settings: SourcedValues, errors: ConfigErrors): void {
  const check = (name: string, what: string, read: () => unknown): boolean => {
    const setting = settings.get(name);
    try {
      read();
      return true;
    } catch {
      // Without the error: it may quote the file.
      if (setting !== undefined) errors.add(setting, `the path of a PEM file with ${what}`);
      return false;
    }
  };
  if (ca !== undefined) {
    check('store_ca_file', 'the certificates of CAs', () => new X509Certificate(ca));
  }
  const isCert =
    cert !== undefined &&
    check('store_cert_file', 'a client certificate', () => new X509Certificate(cert));
  const isKey =
    key !== undefined &&
    check('store_key_file', 'a private key without a passphrase', () => createPrivateKey(key));
  if (isCert && isKey) {
    check('store_key_file', `the private key of ${variableOf('store_cert_file')}`, () =>
      createSecureContext({ cert, key }),
    );
  }
  requireBoth(settings, errors);
}

function requireBoth(settings: SourcedValues, errors: ConfigErrors): void {
  const pair = ['store_cert_file', 'store_key_file'];
  const [missing, ...more] = pair.filter((name) => !settings.has(name));
  if (missing === undefined || more.length > 0) return;
  const other = pair.find((name) => name !== missing) ?? '';
  errors.add(
    { field: variableOf(missing) },
    `the path of a file, because ${variableOf(other)} is set: a client certificate needs its key`,
  );
}
