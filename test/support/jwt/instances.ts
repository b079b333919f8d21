import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { startRedis } from '../../harness/redis.ts';
import { serviceForTest } from '../ask-service.ts';
import { postern } from '../cli/postern.ts';
import { folderForTest, forTest } from '../for-test.ts';
import { reload } from '../reloading.ts';

export const FILE = '/download/a';

export type KeyFile = Awaited<ReturnType<typeof keyFile>>;

/** A key file in a separate folder, as operators have it. */
export async function keyFile() {
  const folder = await folderForTest();
  const path = join(folder, 'keys.json');
  return {
    path,
    /** Runs `postern key generate` on it, with these additional arguments. */
    async generate(...words: string[]) {
      const { code, stderr } = await postern(['key', 'generate', '--out', path, ...words], folder);
      if (code !== 0) throw new Error(stderr);
    },
    keys: async (): Promise<JWK[]> => JSON.parse(await readFile(path, 'utf8')).keys,
    write: (content: readonly JWK[] | string) =>
      writeFile(path, typeof content === 'string' ? content : JSON.stringify({ keys: content })),
  };
}

export type Instance = Awaited<ReturnType<typeof startInstance>>;

/** Ended with the test. With keys, its tokens are JWTs unless a request says otherwise. */
export async function startInstance(env: Record<string, string>) {
  const jwt = { POSTERN_FORMAT: 'jwt', POSTERN_JWT_ISSUER: 'https://files.example' };
  const { api, ...service } = await serviceForTest({
    ...(env.POSTERN_JWT_KEYS_FILE && jwt),
    ...env,
  });
  /** What the gate answers to a request for a file with a token. */
  const gate = (token: string, path = FILE, headers: Record<string, string> = {}) =>
    service.gate(`${path}?token=${token}`, { 'X-Real-IP': '192.0.2.1', ...headers });
  const statusOf = async (token: string, path?: string) => (await gate(token, path)).status;
  return {
    ...service,
    ask: api,
    issue: (body = {}) => service.issue({ path: FILE, ...body }),
    gate,
    statusOf,
    statusesOf: (...tokens: string[]) => Promise.all(tokens.map((token) => statusOf(token))),
    reload: () => reload(service),
  };
}

/** Two of them on one Redis, with one file of keys. */
export async function startTwo() {
  const redis = await forTest(startRedis());
  const file = await keyFile();
  await file.generate();
  const env = { POSTERN_JWT_KEYS_FILE: file.path, POSTERN_STORE: redis.url };
  const each = await Promise.all([startInstance(env), startInstance(env)]);
  return { redis, file, one: each[0], other: each[1], each };
}
