import { startService } from '../../../dev/service.ts';
import { waitFor } from '../../../dev/wait.ts';
import { type Backend, EXPIRES_IN, KEY, NAME, type Wanted } from '../../backend.ts';
import { residentBytes } from '../../processes.ts';
import { issueTokens } from './issue.ts';
import { onGate } from './site.ts';

/** Starts the service and issues the tokens. Its log goes to /dev/null. */
export async function startPostern(
  env: Record<string, string>,
  { files, tokens = 1 }: Wanted,
  revocable = true,
): Promise<Backend> {
  const began = performance.now();
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `bench:${KEY}`,
      POSTERN_LOG_LEVEL: 'silent',
      // A pause of the machine must not count as an error.
      POSTERN_STORE_TIMEOUT_MS: '5000',
      ...env,
    },
    stdio: 'ignore',
  });
  const startMs = performance.now() - began;
  const { gatePort, apiPort, pid } = service;
  const stop = async () => void (await service.stop());
  try {
    const ready = async () => (await fetch(`http://127.0.0.1:${apiPort}/readyz`)).ok;
    await waitFor(ready, { what: 'the store to take a write' });
    const idleBytes = residentBytes(pid);
    const grant = { path: `/download/${NAME}`, expires_in: EXPIRES_IN, revocable };
    const paths = await issueTokens(apiPort, grant, tokens);
    return {
      site: onGate(files, gatePort, apiPort),
      path: paths[0] ?? '',
      paths,
      refused: `/download/${NAME}`,
      issue: {
        path: '/tokens',
        authorization: `Bearer ${KEY}`,
        body: JSON.stringify(grant),
        batch: (count) => JSON.stringify(Array(count).fill(grant)),
      },
      processes: { service: pid },
      startMs,
      idleBytes,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
