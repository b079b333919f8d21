// The same two endpoints in Express, which sends the file itself. A separate program.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import express from 'express';
import { createClient } from 'redis';

const { BENCH_SOCKET: path, BENCH_REDIS, BENCH_KEY, BENCH_STREAM_FROM: root } = process.env;
const redis = await createClient({ url: BENCH_REDIS }).connect();
const app = express();
const key = Buffer.from(`Bearer ${BENCH_KEY}`);

app.post('/generate-media-token/', express.json(), async (request, response) => {
  const given = Buffer.from(request.get('authorization') ?? '');
  if (given.length !== key.length || !timingSafeEqual(given, key)) {
    return response.status(401).json({ detail: 'no such key' });
  }
  const { file, expires_in: seconds } = request.body;
  const token = randomBytes(24).toString('base64url');
  await redis.set(token, file, { expiration: { type: 'EX', value: seconds } });
  const query = new URLSearchParams({ token, file });
  return response.status(201).json({ token, url: `/download-logs-with-token/?${query}` });
});

app.get('/download-logs-with-token/', async (request, response) => {
  const { token, file } = request.query;
  if (!file || !token || (await redis.get(String(token))) !== file) {
    return response.sendStatus(403);
  }
  return response.sendFile(file, { root });
});

app.listen({ path, writableAll: true });
