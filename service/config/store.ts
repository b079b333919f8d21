import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { parseStoreUrl, type StoreUrl } from '../store/connection/url.ts';
import { type ValidPlain, variableOf } from './settings.ts';
import {
  createFileReader,
  defined,
  type Fields,
  type ReadFile,
  withoutLineBreak,
} from './source.ts';

/** `url` and `password` are secrets: never log them. */
export type StoreSettings = NonNullable<ReturnType<typeof readStore>>;

/** The settings of the store and the files that they name; undefined, with issues, if one is invalid. */
export function readStore(plain: ValidPlain, settings: Fields, readFile: ReadFile) {
  const { store, store_prefix: prefix, store_timeout_ms: timeoutMs } = plain;
  const { store_replicas: replicas } = plain;
  if (store === undefined || prefix === undefined) return undefined;
  if (timeoutMs === undefined || replicas === undefined) return undefined;
  const url = parseStoreUrl(store);
  if ('expected' in url) return undefined;
  rejectUnused(url, replicas, settings);

  const fromFile = createFileReader(plain, settings, readFile);
  const onOneLine = 'the path of a file with the password on one line';
  const password = fromFile('store_password_file', onOneLine, (text) => {
    const line = withoutLineBreak(text);
    return line === '' || /\p{Cc}/u.test(line) ? undefined : line;
  });
  const tls = defined({
    ...readPem(settings, fromFile),
    serverName: plain.store_server_name,
  });
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

const TLS_SETTINGS = ['store_ca_file', 'store_cert_file', 'store_key_file', 'store_server_name'];
const SENTINEL_SETTINGS = ['sentinel_username', 'sentinel_password'];

/** Rejects settings without effect: the connection would be less protected than the operator expects. */
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

type FromFile = ReturnType<typeof createFileReader<ValidPlain>>;

function readPem({ has, add }: Fields, fromFile: FromFile) {
  const pem = (name: Parameters<FromFile>[0], what: string, check: (text: string) => object) =>
    fromFile(name, `the path of a PEM file with ${what}`, (text) => check(text) && text);
  const readCertificate = (text: string) => new X509Certificate(text);
  const ca = pem('store_ca_file', 'the certificates of CAs', readCertificate);
  const cert = pem('store_cert_file', 'a client certificate', readCertificate);
  const key = pem('store_key_file', 'a private key without a passphrase', createPrivateKey);
  if (cert !== undefined && key !== undefined) {
    const ofCert = `the private key of ${variableOf('store_cert_file')}`;
    try {
      createSecureContext({ cert, key });
    } catch {
      add('store_key_file', `the path of a PEM file with ${ofCert}`);
    }
  }
  const pair = ['store_cert_file', 'store_key_file'];
  const absent = pair.find((name) => !has(name));
  const present = pair.find(has);
  if (absent !== undefined && present !== undefined) {
    const expected = `the path of a file, because ${variableOf(present)} is set`;
    add(absent, `${expected}: a client certificate needs its key`);
  }
  return { ca, cert, key };
}
