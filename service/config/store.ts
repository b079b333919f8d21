import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { parseStoreUrl, type StoreUrl } from '../store-url.ts';
import { type ValidPlain, variableOf } from './settings.ts';
import { defined, type Fields, type ReadFile, readText } from './source.ts';

/** `url` and `password` are secrets: never log them. */
export type StoreSettings = NonNullable<ReturnType<typeof readStore>>;

const TLS_SETTINGS = ['store_ca_file', 'store_cert_file', 'store_key_file', 'store_server_name'];
const SENTINEL_SETTINGS = ['sentinel_username', 'sentinel_password'];

/** The settings of the store and the files that they name; undefined, with issues, if one is invalid. */
export function readStore(plain: ValidPlain, settings: Fields, readFile: ReadFile) {
  const { store, store_prefix: prefix, store_timeout_ms: timeoutMs } = plain;
  const { store_replicas: replicas } = plain;
  if (store === undefined || prefix === undefined) return undefined;
  if (timeoutMs === undefined || replicas === undefined) return undefined;
  const url = parseStoreUrl(store);
  if ('expected' in url) return undefined;
  rejectUnused(url, replicas, settings);

  type FileSetting = Extract<keyof ValidPlain, `store_${string}_file`>;
  const file = (name: FileSetting) => {
    const path = plain[name];
    if (path === undefined) return undefined;
    return readText(path, readFile, (expected) => settings.add(name, expected));
  };
  const password = readPassword(file('store_password_file'), settings);
  const pem = {
    ca: file('store_ca_file'),
    cert: file('store_cert_file'),
    key: file('store_key_file'),
  };
  checkPem(pem, settings);
  const tls = defined({ ...pem, serverName: plain.store_server_name });
  const sentinel = defined({
    username: plain.sentinel_username,
    password: plain.sentinel_password,
  });
  return {
    url: store,
    prefix,
    timeoutMs,
    replicas,
    ...(password !== undefined && { password }),
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(Object.keys(sentinel).length > 0 && { sentinel }),
  };
}

/** A setting without effect is a mistake: a connection would not be protected as it seems to be. */
function rejectUnused(url: StoreUrl, replicas: number, { has, add }: Fields): void {
  const reject = (names: readonly string[], expected: string) => {
    for (const name of names) if (has(name)) add(name, `no value, or ${expected}`);
  };
  const store = variableOf('store');
  if (!url.isTls) reject(TLS_SETTINGS, `TLS in ${store}: a URL that begins with rediss`);
  if (url.kind !== 'sentinel') {
    reject(SENTINEL_SETTINGS, `a URL such as redis+sentinel://host/master in ${store}`);
  }
  if (!has('sentinel_password')) {
    reject(['sentinel_username'], `a password in ${variableOf('sentinel_password')}`);
  }
  if (url.kind === 'memory') {
    if (replicas > 0) add('store_replicas', `0, or a URL of Redis in ${store}`);
    reject(['store_password_file'], `a URL of Redis in ${store}`);
  } else if (url.password !== undefined) {
    reject(['store_password_file'], `a URL without a password in ${store}`);
  }
}

function readPassword(text: string | undefined, { add }: Fields): string | undefined {
  // Most editors end a file with a line break.
  const password = text?.replace(/\r?\n$/, '');
  if (password === undefined || (password !== '' && !/\p{Cc}/u.test(password))) return password;
  return add('store_password_file', 'the path of a file with the password on one line');
}

type Pem = Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>;

function checkPem({ ca, cert, key }: Pem, { has, add }: Fields): void {
  /** Whether there is a value that can be read. */
  function check<T>(name: string, what: string, value: T | undefined, read: (value: T) => unknown) {
    if (value === undefined) return false;
    try {
      read(value);
      return true;
    } catch {
      // Without the error: it may quote the file.
      add(name, `the path of a PEM file with ${what}`);
      return false;
    }
  }
  const readCertificate = (pem: string) => new X509Certificate(pem);
  check('store_ca_file', 'the certificates of CAs', ca, readCertificate);
  const isCert = check('store_cert_file', 'a client certificate', cert, readCertificate);
  const isKey = check(
    'store_key_file',
    'a private key without a passphrase',
    key,
    createPrivateKey,
  );
  if (isCert && isKey) {
    const ofCert = `the private key of ${variableOf('store_cert_file')}`;
    check('store_key_file', ofCert, key, () => createSecureContext({ cert, key }));
  }
  for (const [name, other] of [
    ['store_cert_file', 'store_key_file'],
    ['store_key_file', 'store_cert_file'],
  ] as const) {
    if (has(name) || !has(other)) continue;
    const expected = `the path of a file, because ${variableOf(other)} is set`;
    add(name, `${expected}: a client certificate needs its key`);
  }
}
