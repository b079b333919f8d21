/** A text with a secret, and the secret part of it. */
export interface Secret {
  readonly text: string;
  readonly hidden: string;
}

const within = (before: string, hidden: string, after = ''): Secret => ({
  text: `${before}${hidden}${after}`,
  hidden,
});
const whole = (text: string): Secret => within('', text);

const jwt = (bytes: Buffer): string =>
  [Buffer.from('{"alg":"EdDSA"}'), bytes.subarray(0, 24), bytes]
    .map((part) => part.toString('base64url'))
    .join('.');

const WORDS = ['correct', 'horse', 'battery', 'staple', 'window', 'marble', 'copper', 'planet'];

/** What an operator can copy into the wrong setting, from 64 random bytes. */
export const SECRETS: Readonly<Record<string, (bytes: Buffer) => Secret>> = {
  'API key': (bytes) => whole(bytes.toString('hex', 0, 24)),
  'API key in base64': (bytes) => whole(bytes.toString('base64', 0, 24)),
  'API key with its id': (bytes) => within('web:', bytes.toString('hex', 0, 24)),
  UUID: (bytes) =>
    whole(bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')),
  passphrase: (bytes) => whole([...bytes.subarray(0, 5)].map((at) => WORDS[at % 8]).join('-')),
  token: (bytes) => whole(`ps_${bytes.toString('base64url', 0, 24)}`),
  JWT: (bytes) => whole(jwt(bytes)),
  'webhook secret': (bytes) => whole(`whsec_${bytes.toString('base64', 0, 32)}`),
  'AWS access key ID': (bytes) => whole(`AKIA${base32(bytes.subarray(0, 16))}`),
  'AWS secret access key': (bytes) => whole(bytes.toString('base64', 0, 30)),
  'password of Redis': (bytes) => whole(bytes.toString('hex', 0, 32)),
  'store URL': (bytes) => within('redis://:', bytes.toString('hex', 0, 8), '@redis.example:6379/0'),
  'store URL with a user': (bytes) =>
    within('rediss+sentinel://app:', bytes.toString('base64', 0, 15), '@a.example,b.example/main'),
  'URL with a password': (bytes) =>
    within('https://app:', bytes.toString('hex', 0, 8), '@app.example/'),
  'URL with a query': (bytes) =>
    within('https://app.example/events?key=', bytes.toString('hex', 0, 8)),
  'URL of a webhook with a secret path': (bytes) =>
    within('https://hooks.example/services/', bytes.toString('hex', 0, 8)),
  'private key in PEM': (bytes) =>
    within(
      '-----BEGIN PRIVATE KEY-----\n',
      bytes.toString('base64', 0, 48),
      '\n-----END PRIVATE KEY-----\n',
    ),
  'private key in a JWKS': (bytes) =>
    within('{"keys":[{"kty":"oct","k":"', bytes.toString('base64url', 0, 32), '"}]}'),
};

function base32(bytes: Buffer): string {
  return [...bytes].map((byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');
}
