/** Header names that nginx/snippets/ and this program share. Lower case, as Node gives them. */

export const ask = {
  uri: 'x-original-uri',
  method: 'x-original-method',
  address: 'x-real-ip',
  site: 'postern-site',
  cookie: 'postern-cookie',
  resume: 'postern-resume',
  requestId: 'x-request-id',
  secPurpose: 'sec-purpose',
  purpose: 'purpose',
  serviceWorker: 'service-worker',
} as const;

export const tell = {
  target: 'Postern-Target',
  args: 'Postern-Args',
  tokenId: 'Postern-Token-Id',
  subject: 'Postern-Subject',
  disposition: 'Postern-Disposition',
  limitRate: 'Postern-Limit-Rate',
  /** One for each of two: nginx joins headers of one name into one. */
  setCookie: 'Postern-Set-Cookie',
  setCookie2: 'Postern-Set-Cookie-2',
  reason: 'Postern-Reason',
  returnUrl: 'Postern-Return',
} as const;

/**
 * A string as the characters that Node writes as its UTF-8 bytes: header values are sent as
 * latin1, one byte a character.
 */
export function utf8Bytes(value: string): string {
  return /^[\x20-\x7e]*$/.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1');
}

/** Percent-encodes what is not printable ASCII, `%` itself, and spaces that HTTP would trim. */
export function printable(value: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(value)
    ? value
    : value.replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/gu, encodeURIComponent);
}

/** `WWW-Authenticate` of RFC 6750, section 3: no error where no credential came. */
export function challenge(code: string): string {
  return code === 'invalid_token'
    ? 'Bearer realm="postern", error="invalid_token"'
    : 'Bearer realm="postern"';
}
