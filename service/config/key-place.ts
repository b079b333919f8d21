import { isIPv4 } from 'node:net';
import type { Faults } from './fault.ts';
import { absent, type Given } from './given.ts';

/** Where the public keys of an issuer are: at a URL, or in a file. */
export type KeyPlace = { readonly uri: string } | { readonly file: string };

/** The place that an issuer's entry names; undefined, with a fault, if it is not exactly one. */
export function readKeyPlace(
  entry: Given,
  fields: ReadonlyMap<string, Given>,
  faults: Faults,
): KeyPlace | undefined {
  const givenUri = fields.get('jwks_uri');
  const givenFile = fields.get('jwks_file');
  const uri = givenUri && readUri(givenUri, faults);
  const file = givenFile && readPath(givenFile, faults);
  if (givenUri && givenFile) return faults.add(givenFile, 'jwks_uri or jwks_file, not both');
  if (givenUri || givenFile) return uri ? { uri } : file ? { file } : undefined;
  const expected =
    'where its public keys are: jwks_uri, such as https://login.example/jwks.json, or jwks_file';
  return faults.add(absent(entry, 'jwks_uri'), expected);
}

/** The path of a file of keys. Whether it can be read is seen where it is. */
export function readPath(given: Given, faults: Faults): string | undefined {
  const path = typeof given.value === 'string' ? given.value : '';
  // Keys themselves begin with { or [, or with PEM's dashes; in base64, with ey.
  const encoded = /^ey[A-Za-z0-9+/_=-]{30,}$/.test(path);
  if (!encoded && /^[^\p{Cc}\s{["-]\P{Cc}*$/u.test(path) && !path.includes('://')) return path;
  return faults.add(given, 'the path of a JWKS file, such as /etc/postern/keys.json');
}

/** Keys that come over plain HTTP could be anyone's; what never leaves the machine is safe. */
function readUri(given: Given, faults: Faults): string | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  const url = /^https?:\/\/[^\s\\]+$/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const example = 'such as https://login.example/jwks.json';
  if (url === undefined) return faults.add(given, `an https URL, ${example}`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return faults.add(given, `an https URL, ${example}: http is for 127.0.0.1, [::1] or localhost`);
  }
  if (url.username + url.password + url.hash !== '') {
    return faults.add(given, `a URL without user name, password and #, ${example}`);
  }
  return text;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}
