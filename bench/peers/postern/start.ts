import { join } from 'node:path';
import { temporaryFolder } from '../../../test/harness/paths.ts';
import { type ServiceProcess, startService } from '../../../test/harness/service.ts';
import { waitFor } from '../../../test/harness/wait.ts';
import { type Backend, EXPIRES_IN, KEY, NAME, type Wanted } from '../../backend.ts';
import { residentBytes } from '../../processes.ts';
import { onGate } from './site.ts';

/** The maximum number of tokens in one request. */
export const BATCH = 1000;

export interface Issued {
  readonly id: string;
  readonly url: string;
}

/** Concurrent requests, so that the service does not wait for the client. */
const AT_ONCE = 2;

/** The maximum number of paths to keep, evenly distributed over all issued tokens. */
const KEPT = 12_000;

export interface StartOptions {
  readonly revocable?: boolean;
  /** More than one needs a store that they share. */
  readonly instances?: number;
}

/** Starts the service and issues the tokens. */
export async function startPostern(
  env: Record<string, string>,
  { files, tokens = 1, quiet = false }: Wanted,
  { revocable = true, instances = 1 }: StartOptions = {},
): Promise<Backend> {
  const services: ServiceProcess[] = [];
  const stop = async () => void (await Promise.all(services.map((service) => service.stop())));
  const folder = await temporaryFolder();
  const gates = Array.from({ length: instances }, (_, i) => `unix:${join(folder, `${i}.sock`)}`);
  const all = { POSTERN_LOG_LEVEL: quiet ? 'silent' : 'info', ...env };
  try {
    const began = performance.now();
    const first = await startOne(gates[0] ?? '', all);
    const startMs = performance.now() - began;
    services.push(first);
    for (const gate of gates.slice(1)) services.push(await startOne(gate, all));
    const { apiPort } = first;
    const pids = services.map(({ pid }) => pid);
    for (const one of services) {
      const ready = async () => (await fetch(`http://127.0.0.1:${one.apiPort}/readyz`)).ok;
      await waitFor(ready, { what: 'the store to take a write' });
    }
    const idleBytes = residentBytes(pids);
    const grant = { path: `/download/${NAME}`, expires_in: EXPIRES_IN, revocable };
    const paths = await issueTokens(apiPort, grant, tokens);
    return {
      site: { ...onGate(files, gates, apiPort), log: 'postern' },
      path: paths[0] ?? '',
      paths,
      refused: `/download/${NAME}`,
      issue: { path: '/tokens', authorization: `Bearer ${KEY}`, body: JSON.stringify(grant) },
      processes: { service: pids },
      startMs,
      idleBytes,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Its log goes to /dev/null. */
function startOne(gate: string, env: Record<string, string>): Promise<ServiceProcess> {
  return startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `bench:${KEY}`,
      POSTERN_LISTEN: gate,
      POSTERN_SOCKET_MODE: '0666',
      // A pause of the machine must not count as an error.
      POSTERN_STORE_TIMEOUT_MS: '5000',
      ...env,
    },
    stdio: 'ignore',
  });
}

/** Issues tokens and returns the paths of up to 12,000 of them. */
async function issueTokens(apiPort: number, grant: object, count: number): Promise<string[]> {
  const paths: string[] = [];
  const every = Math.ceil(count / KEPT);
  let asked = 0;
  async function issueMore(): Promise<void> {
    while (asked < count) {
      const size = Math.min(BATCH, count - asked);
      asked += size;
      const issued = await issueBatch(apiPort, Array(size).fill(grant));
      paths.push(...issued.filter((_, i) => i % every === 0).map(({ url }) => url));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, issueMore));
  return paths;
}

export async function issueBatch(apiPort: number, grants: readonly object[]): Promise<Issued[]> {
  const reply = await fetch(`http://127.0.0.1:${apiPort}/tokens/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(grants),
  });
  if (reply.status !== 201) throw new Error(`no token: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as Issued[];
}
