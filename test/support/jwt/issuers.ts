import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, generateSecret, importJWK, type JWK, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';
import type { TrustedIssuer } from '../../../service/jwt/issuers.ts';
import { listening } from '../postern.ts';

/** A JWKS file with one private key for each algorithm, the first of which signs. */
export async function jwksText(...algorithms: string[]): Promise<string> {
  return JSON.stringify({
    keys: await Promise.all(algorithms.map((alg, i) => newJwk(alg, `${i}`))),
  });
}

/** A private key, or a shared secret, with its `kid` and `alg`. */
export async function newJwk(alg: string, kid: string): Promise<JWK> {
  const key =
    alg === 'HS256'
      ? await generateSecret(alg, { extractable: true })
      : (await generateKeyPair(alg, { extractable: true })).privateKey;
  return { ...(await exportJWK(key)), kid, alg, use: 'sig' };
}

/** What the issuer of a key gives to others. */
export function publicHalf({ kty, crv, x, y, n, e, kid, alg, use }: JWK): JWK {
  const half = { kty, crv, x, y, n, e, kid, alg, use };
  return Object.fromEntries(Object.entries(half).filter(([, value]) => value !== undefined)) as JWK;
}

/** A compact JWS of any parts, with any signature. */
export function compact(
  header: object | string,
  payload: object | string,
  sign: (input: string) => Buffer | string,
): string {
  const input = [header, payload].map(part).join('.');
  const signature = sign(input);
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`;
}

function part(content: object | string): string {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return Buffer.from(text).toString('base64url');
}

export function hs256(secret: string | Uint8Array): (input: string) => Buffer {
  return (input) => createHmac('sha256', secret).update(input).digest();
}

/** Header and payload of a token as texts, and its signature unchanged. */
export function partsOf(token: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const text = (encoded: string) => Buffer.from(encoded, 'base64url').toString();
  return [text(header), text(payload), signature];
}

/** A real JWKS endpoint that can be stopped. It answers with `state`, or by `answer`. */
export async function endpoint(answer?: (response: ServerResponse) => void) {
  const state = { keys: [] as JWK[], asked: 0, status: 200 };
  const start = (port?: number) =>
    listening((_, response) => {
      state.asked += 1;
      if (answer) return answer(response);
      response.writeHead(state.status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ keys: state.keys }));
    }, port);
  let running = await start();
  const { port } = running;
  const stop = () => running.stop();
  onTestFinished(stop);
  return {
    ...{ state, uri: `http://127.0.0.1:${port}/jwks`, stop },
    async start() {
      running = await start(port);
    },
  };
}

export const START = 1_800_000_000;

/** Another issuer of download tokens, with its own key. */
export async function foreigner(name: string, more: Partial<TrustedIssuer> = {}, alg = 'EdDSA') {
  const jwk = await newJwk(alg, `${name} 1`);
  const issuer: TrustedIssuer = {
    id: name,
    issuer: `https://${name}.example`,
    keys: { file: name },
    audience: 'https://files.example',
    trustedFor: 'downloads',
    algorithms: ['EdDSA', 'ES256', 'RS256'],
    paths: [{ prefix: '/download/reports/' }],
    targets: [],
    maxExpiresIn: 600,
    maxResumeFor: 600,
    ...more,
  };
  let count = 0;
  async function sign(claims: object = {}, by: JWK = jwk, header: object = {}): Promise<string> {
    count += 1;
    const times = { iat: START, exp: START + 120, jti: `${count}` };
    const who = { iss: issuer.issuer, aud: issuer.audience };
    return new SignJWT({ path: '/download/reports/a', ...who, ...times, ...claims })
      .setProtectedHeader({ alg: by.alg ?? '', kid: by.kid ?? '', typ: 'postern+jwt', ...header })
      .sign(await importJWK(by, by.alg));
  }
  return { issuer, jwk, sign, file: { [name]: JSON.stringify({ keys: [publicHalf(jwk)] }) } };
}

export const uri = (token: string, path = '/download/reports/a') => `${path}?token=${token}`;
export const from = (address: string) => ({ 'X-Real-IP': address });

const loginKey = await newJwk('ES256', 'idp');
export const files = { idp: JSON.stringify({ keys: [publicHalf(loginKey)] }) };

/** An identity provider whose users are clients of the API. */
export const login: TrustedIssuer = {
  id: 'login',
  issuer: 'https://login.example',
  keys: { file: 'idp' },
  audience: 'postern',
  trustedFor: 'clients',
  algorithms: ['ES256'],
  paths: [
    { prefix: '/download/users/{sub}/' },
    { prefix: '/download/teams/{team}/{role}/' },
    { prefix: '/download/tenants/{https://login.example/tenant}/' },
  ],
  targets: [],
  maxExpiresIn: 600,
  maxResumeFor: 600,
};

/** An access token as an OpenID provider issues it. */
export async function bearer(
  claims: object = {},
  header: object = {},
  by: JWK = loginKey,
): Promise<string> {
  const who = { iss: 'https://login.example', aud: ['postern', 'other'], sub: 'ann' };
  return new SignJWT({ ...who, iat: START, exp: START + 300, ...claims })
    .setProtectedHeader({ alg: by.alg ?? '', kid: by.kid ?? '', typ: 'at+jwt', ...header })
    .sign(await importJWK(by, by.alg));
}
