import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serviceForTest } from '../../support/ask-service.ts';
import { folderForTest } from '../../support/for-test.ts';
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
  const service = await serviceForTest({
    POSTERN_STORE_TIMEOUT_MS: '10000',
    POSTERN_WEBHOOK_URL: url,
    POSTERN_WEBHOOK_SECRET_FILE: await secretFile(SECRET),
    POSTERN_WEBHOOK_ALLOW: '127.0.0.1',
    ...env,
  });
  const gate = async (uri: string, address = '192.0.2.7') =>
    (await service.gate(uri, { 'X-Real-IP': address })).status;
  return { ...service, gate };
}

export type Instance = Awaited<ReturnType<typeof startInstance>>;
