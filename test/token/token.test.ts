import { expect, test } from 'vitest';
import { isToken, isTokenId, newToken, tokenId } from '../../service/token/token.ts';

test('token: ps_ and 32 random characters of base64url', () => {
  const tokens = Array.from({ length: 200 }, newToken);
  for (const token of tokens) expect(token).toMatch(/^ps_[A-Za-z0-9_-]{32}$/);
  expect(new Set(tokens).size).toBe(200);
  expect(tokens.every(isToken)).toBe(true);
});

const A = 'a'.repeat(31);

test.each([
  ...['', 'ps_', `ps_${A}`, `ps_${A}aa`, `PS_${A}a`, `ps-${A}a`, `ps_${A}=`, `ps_${A}é`],
  `ps_${A}/`,
  ...[`ps_${A}a\n`, ` ps_${A}a`],
])('token: %j is rejected', (credential) => {
  expect(isToken(credential)).toBe(false);
});

test('token ID: the first 22 characters of the SHA-256 in base64url', () => {
  // printf ps_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | openssl dgst -sha256 -binary | basenc --base64url
  expect(tokenId(`ps_${'a'.repeat(32)}`)).toBe('YnYOPYQMxy6ZGlxiN7zSNH');
  const id = tokenId(newToken());
  expect(isTokenId(id)).toBe(true);
  expect(isToken(id)).toBe(false);
});

test('token ID: a token is not a token ID', () => {
  expect(isTokenId(newToken())).toBe(false);
  expect(isTokenId('')).toBe(false);
  expect(isTokenId(`${'a'.repeat(22)}\n`)).toBe(false);
  expect(isTokenId(`${'a'.repeat(21)}}`)).toBe(false);
});
