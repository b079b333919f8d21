import type { JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { createOwnKeys } from '../../service/jwt/keys.ts';
import { openJwt } from '../../service/jwt/open.ts';
import { createMounts } from '../../service/site/mount.ts';
import { mount } from '../support/postern.ts';
import { jwksText, newJwk } from './keys.ts';
import { signedGate } from './signed-gate.ts';

const mounts = [mount('/download/', '/protected/')];

test('issue: a JWT above the maximum length is not issued', async () => {
  const { ask, codeOf } = await signedGate();
  const [path, target] = ['/download/', '/protected/'].map((folder) => folder + 'a'.repeat(2000));
  const reply = await ask('POST /tokens', { json: { format: 'jwt', path, target } });
  const code = reply.status === 201 ? await codeOf(reply.body.url) : reply.body.code;
  expect(code).toMatch(/^(allow|invalid_request)$/);
});

describe('JWT keys: invalid', () => {
  test.each(['EdDSA', 'ES256'])('%s halves of different keys are rejected', async (alg) => {
    const [a, b] = [await newJwk(alg, 'a'), await newJwk(alg, 'b')];
    const { x, y } = b;
    const mixed = JSON.stringify({ keys: [{ ...a, x, ...(y !== undefined && { y }) }] });
    await expect(createOwnKeys(mixed)).rejects.toThrow('cannot be read');
  });

  test('a key for encryption cannot sign', async () => {
    const text = JSON.stringify({ keys: [{ ...(await newJwk('ES256', 'a')), use: 'enc' }] });
    await expect(createOwnKeys(text)).rejects.toThrow();
  });
});

test('JWT keys: an error does not show keys that are set instead of their path', async () => {
  const text = await jwksText('EdDSA');
  const { d = '' } = JSON.parse(text).keys[0] as JWK;
  const base64 = Buffer.from(text).toString('base64');
  const { loadConfig } = await import('../../service/config/config.ts');
  const env = {
    POSTERN_MOUNTS: '/download/=/protected/',
    POSTERN_API_KEYS: 'web:at-least-16-characters',
    POSTERN_JWT_KEYS: base64,
  };
  const readFile = () => {
    throw new Error(`ENOENT: no such file or directory, open '${base64}'`);
  };
  let told = '';
  try {
    const config = loadConfig(env, readFile, { onTerminal: false });
    await openJwt(config, {
      mounts: createMounts(mounts),
      readFile,
      now: Date.now,
      onFailure() {},
    });
  } catch (error) {
    told = (error as Error).message;
  }
  expect(told).not.toBe('');
  expect(told).not.toContain(base64.slice(0, 40));
  expect(told).not.toContain(d);
});
