import { createHmac } from 'node:crypto';

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
