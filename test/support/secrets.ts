/** A text with a secret, and the secret part of it. */
export interface Secret {
  readonly text: string;
  readonly hidden: string;
}

const whole = (text: string): Secret => ({ text, hidden: text });

const jwt = (bytes: Buffer): string =>
  [Buffer.from('{"alg":"EdDSA"}'), bytes.subarray(0, 24), bytes]
    .map((part) => part.toString('base64url'))
    .join('.');

const WORDS = ['correct', 'horse', 'battery', 'staple', 'window', 'marble', 'copper', 'planet'];

/** What an operator can copy into the wrong setting, from 64 random bytes. */
export const SECRETS: Readonly<Record<string, (bytes: Buffer) => Secret>> = {
  'API key': (bytes) => whole(bytes.toString('hex', 0, 24)),
  'API key in base64': (bytes) => whole(bytes.toString('base64', 0, 24)),
  'API key with its id': (bytes) => {
    const hidden = bytes.toString('hex', 0, 24);
    return { text: `web:${hidden}`, hidden };
  },
  UUID: (bytes) =>
    whole(bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')),
  passphrase: (bytes) => whole([...bytes.subarray(0, 5)].map((at) => WORDS[at % 8]).join('-')),
  token: (bytes) => whole(`ps_${bytes.toString('base64url', 0, 24)}`),
  JWT: (bytes) => whole(jwt(bytes)),
  'webhook secret': (bytes) => whole(`whsec_${bytes.toString('base64', 0, 32)}`),
  'AWS access key ID': (bytes) => whole(`AKIA${base32(bytes.subarray(0, 16))}`),
  'AWS secret access key': (bytes) => whole(bytes.toString('base64', 0, 30)),
  'password of Redis': (bytes) => whole(bytes.toString('hex', 0, 32)),
  'store URL': (bytes) => {
    const hidden = bytes.toString('hex', 0, 8);
    return { text: `redis://:${hidden}@redis.example:6379/0`, hidden };
  },
  'store URL with a user': (bytes) => {
    const hidden = bytes.toString('base64', 0, 15);
    return { text: `rediss+sentinel://app:${hidden}@a.example,b.example/main`, hidden };
  },
  'URL with a password': (bytes) => {
    const hidden = bytes.toString('hex', 0, 8);
    return { text: `https://app:${hidden}@app.example/`, hidden };
  },
  'URL with a query': (bytes) => {
    const hidden = bytes.toString('hex', 0, 8);
    return { text: `https://app.example/events?key=${hidden}`, hidden };
  },
  'URL of a webhook with a secret path': (bytes) => {
    const hidden = bytes.toString('hex', 0, 8);
    return { text: `https://hooks.example/services/${hidden}`, hidden };
  },
  'private key in PEM': (bytes) => {
    const hidden = bytes.toString('base64', 0, 48);
    return { text: `-----BEGIN PRIVATE KEY-----\n${hidden}\n-----END PRIVATE KEY-----\n`, hidden };
  },
  'private key in a JWKS': (bytes) => {
    const hidden = bytes.toString('base64url', 0, 32);
    return { text: JSON.stringify({ keys: [{ kty: 'oct', k: hidden }] }), hidden };
  },
};

function base32(bytes: Buffer): string {
  return [...bytes].map((byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');
}
