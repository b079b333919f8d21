import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Running } from '../../test/harness/process.ts';
import { startRedis } from '../../test/harness/redis.ts';
import { residentBytes } from '../../test/harness/usage.ts';
import { type Backend, EXPIRES_IN, KEY, NAME, type Site, type Wanted } from '../backend.ts';

const issue = {
  path: '/generate-media-token/',
  authorization: `Bearer ${KEY}`,
  body: JSON.stringify({ file: NAME, expires_in: EXPIRES_IN }),
};

/** An application with two endpoints, to issue and to use a token. Tokens are in its own Redis. */
export async function startApplication(
  start: (env: Record<string, string>) => Promise<{ running: Running; where: Where; site: Site }>,
  { tokens = 1 }: Wanted,
): Promise<Backend> {
  const redis = await startRedis();
  try {
    const began = performance.now();
    const { running, where, site } = await start({ BENCH_REDIS: redis.url, BENCH_KEY: KEY });
    const answers = () => ask(where, '/').then(() => true);
    await running.ready(() => answers().catch(() => false), { what: 'the application to answer' });
    const startMs = performance.now() - began;
    const idleBytes = residentBytes(running.pid);
    const paths: string[] = [];
    while (paths.length < tokens) paths.push(await issueOne(where));
    return {
      site,
      path: paths[0] ?? '',
      paths,
      refused: `/download-logs-with-token/?file=${NAME}`,
      issue,
      processes: { service: running.pid, redis: redis.pid },
      startMs,
      idleBytes,
      async stop() {
        await running.stop();
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

async function issueOne(where: Where): Promise<string> {
  const headers = { authorization: issue.authorization, 'content-type': 'application/json' };
  const { status, body } = await ask(where, issue.path, headers, issue.body);
  if (status !== 201) throw new Error(`no token: ${status} ${body}`);
  return (JSON.parse(body) as { url: string }).url;
}

/** A port or a Unix socket of this machine. */
type Where = Pick<RequestOptions, 'port' | 'socketPath'>;

/** fetch() does not support Unix sockets. No agent: an idle connection would delay the stop. */
async function ask(where: Where, path: string, headers = {}, body?: string) {
  const method = body === undefined ? 'GET' : 'POST';
  const signal = AbortSignal.timeout(5_000);
  const asked = request({ ...where, path, method, headers, agent: false, signal }).end(body);
  const [reply] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: reply.statusCode, body: await text(reply) };
}
