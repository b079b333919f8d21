import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startService } from '../../harness/service.ts';
import { waitFor } from '../../harness/wait.ts';
import { folderForTest } from '../../support/for-test.ts';
import { type IssuedToken, KEY } from '../../support/postern.ts';
import { samplesOf } from '../../support/samples.ts';
import { SECRET } from '../receiver.ts';

/** A file with secrets, one on each line. */
export async function secretFile(...secrets: string[]): Promise<string> {
  const folder = await folderForTest();
  const path = join(folder, 'webhook-secret');
  await writeFile(path, `${secrets.join('\n')}\n`);
  return path;
}

/** The built service, which sends its events to a URL on the loopback. */
export async function startInstance(url: string, env: Record<string, string> = {}) {
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `web:${KEY}`,
      POSTERN_STORE_TIMEOUT_MS: '10000',
      POSTERN_WEBHOOK_URL: url,
      POSTERN_WEBHOOK_SECRET_FILE: await secretFile(SECRET),
      POSTERN_WEBHOOK_ALLOW: '127.0.0.1',
      ...env,
    },
  });
  onTestFinished(async () => void (await service.stop()));
  const { apiPort, gatePort } = service;
  const api = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${apiPort}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });
  await waitFor(async () => (await api('/readyz')).ok, { what: 'the store' });
  return {
    ...service,
    api,
    async issue(body: object = { path: '/download/a' }): Promise<IssuedToken> {
      const response = await api('/tokens', { method: 'POST', body: JSON.stringify(body) });
      if (response.status !== 201) throw new Error(await response.text());
      return (await response.json()) as IssuedToken;
    },
    async gate(uri: string, address = '192.0.2.7'): Promise<number> {
      const headers = {
        'X-Original-URI': uri,
        'X-Original-Method': 'GET',
        'X-Real-IP': address,
        'Postern-Site': 'files.example',
      };
      return (await fetch(`http://127.0.0.1:${gatePort}/auth-request`, { headers })).status;
    },
    async metric(name: string): Promise<number> {
      return samplesOf(await (await api('/metrics')).text()).get(name) ?? Number.NaN;
    },
  };
}

export type Instance = Awaited<ReturnType<typeof startInstance>>;
