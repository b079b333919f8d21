import { startService } from '../dev/service.ts';
import { waitFor } from '../dev/wait.ts';
import { NAME } from './site.ts';
import type { Backend } from './variants.ts';

const KEY = 'a-key-for-the-bench-only';

/** The most that one request may ask for. */
const BATCH = 1000;

/** What to issue. */
export interface Wanted {
  readonly tokens?: number;
  readonly revocable?: boolean;
}

/** The service with tokens for the file, or with one. Its log, if any, goes to /dev/null. */
export async function startPostern(
  env: Record<string, string>,
  { tokens = 1, revocable = true }: Wanted = {},
): Promise<Backend> {
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `bench:${KEY}`,
      POSTERN_LOG_LEVEL: 'silent',
      // A pause of the machine is no failure here.
      POSTERN_STORE_TIMEOUT_MS: '5000',
      ...env,
    },
    stdio: 'ignore',
  });
  const { gatePort: port, apiPort, pid } = service;
  const stop = async () => void (await service.stop());
  try {
    const ready = async () => (await fetch(`http://127.0.0.1:${apiPort}/readyz`)).ok;
    await waitFor(ready, { what: 'the store to take a write' });
    const paths: string[] = [];
    while (paths.length < tokens) {
      const count = Math.min(BATCH, tokens - paths.length);
      paths.push(...(await issue(apiPort, count, revocable)));
    }
    const [path = ''] = paths;
    const processes = { service: pid };
    return { port, path, paths, refused: `/download/${NAME}`, processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function issue(apiPort: number, count: number, revocable: boolean): Promise<string[]> {
  const wanted = { path: `/download/${NAME}`, expires_in: 3600, revocable };
  const reply = await fetch(`http://127.0.0.1:${apiPort}/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(Array(count).fill(wanted)),
  });
  if (reply.status !== 201) throw new Error(`no token: ${reply.status} ${await reply.text()}`);
  return ((await reply.json()) as { url: string }[]).map(({ url }) => url);
}
