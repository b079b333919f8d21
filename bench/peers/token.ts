import { randomBytes } from 'node:crypto';
import { ask, startRedis } from '../../test/harness/redis.ts';
import { EXPIRES_IN, NAME } from '../backend.ts';

/** The path without and with a token. */
export function newPaths() {
  const token = randomBytes(24).toString('base64url');
  const refused = `/download/${NAME}`;
  return { token, refused, path: `${refused}?token=${token}` };
}

/** A Redis with one token: its value is the path that it covers. */
export async function redisWithToken() {
  const redis = await startRedis();
  const { token, ...paths } = newPaths();
  await ask(redis.port, `SET token:${token} ${paths.refused} EX ${EXPIRES_IN}`);
  return { redis, ...paths };
}
