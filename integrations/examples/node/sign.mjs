// Signs a download token with jose: https://www.npmjs.com/package/jose. It prints a token with which one requester has two
// minutes to start and then an hour to finish.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { importJWK, SignJWT } from 'jose';

const [jwk] = JSON.parse(readFileSync('shop-private.json', 'utf8')).keys;
const now = Math.floor(Date.now() / 1000);

const token = await new SignJWT({
  iss: 'https://shop.example',
  aud: 'https://files.example',
  jti: randomUUID(),
  iat: now,
  start_by: now + 120,
  exp: now + 120 + 3600,
  path: '/download/shop/film.mp4',
  max_uses: 1,
  resume_for: 3600,
})
  .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: 'postern+jwt' })
  .sign(await importJWK(jwk, jwk.alg));

console.log(token);
