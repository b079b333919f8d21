// What a user could write instead of Postern, with auth_request or X-Accel-Redirect. A separate program.
import { createServer } from 'node:http';
import { Redis } from 'ioredis';

const [path, url = '', header = ''] = process.argv.slice(2);
const redis = new Redis(url);
const allowed = header === 'X-Accel-Redirect' ? 200 : 204;

createServer({ keepAliveTimeout: 75_000 }, async ({ headers }, response) => {
  const { pathname, searchParams } = new URL(String(headers['x-original-uri']), 'http://own');
  const granted = await redis.get(`token:${searchParams.get('token')}`).catch(() => undefined);
  if (granted !== pathname) {
    const status = granted === undefined ? 503 : granted === null ? 401 : 403;
    return response.writeHead(status, { 'Content-Length': 0 }).end();
  }
  const target = pathname.replace('/download/', '/protected/');
  response.writeHead(allowed, { [header]: target, 'Content-Length': 0 }).end();
}).listen({ path, writableAll: true }, () => process.stdout.write('listening\n'));
