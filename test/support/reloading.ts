import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashSecret } from '../../service/token/client.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { askApi, askGate, askMetrics } from './ask-service.ts';
import { folderForTest, forTest } from './for-test.ts';
import { KEY } from './postern.ts';

export const sha256 = (secret: string) => `sha256:${hashSecret(secret).toString('hex')}`;

/** A configuration as its file has it. */
export type FileConfig = Record<string, unknown>;

export const MOUNT = { public: '/download/', internal: '/protected/' };
export const WEB = { id: 'web', key: sha256(KEY) };
export const CONFIG: FileConfig = { mounts: [MOUNT], api_keys: [WEB] };

// biome-ignore lint/suspicious/noExplicitAny: a log line, which the test is about
export type Line = Record<string, any>;

/** A configuration file in a folder that ends with the test. YAML includes JSON. */
export async function configFile(config: FileConfig = CONFIG) {
  const folder = await folderForTest();
  const path = join(folder, 'postern.yaml');
  /** Atomically: the service must not read a part of it. */
  async function write(next: FileConfig | string): Promise<void> {
    await writeFile(`${path}.new`, typeof next === 'string' ? next : JSON.stringify(next, null, 2));
    await rename(`${path}.new`, path);
  }
  await write(config);
  return { folder, path, write };
}

export function linesOf(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

export const reloads = (stdout: string) =>
  linesOf(stdout).filter(({ msg }) => /^the configuration was/.test(msg));

/** Sends SIGHUP, and returns the log line that has the result. */
export async function reload(service: Pick<ServiceProcess, 'stdout' | 'signal'>): Promise<Line> {
  const before = reloads(service.stdout()).length;
  service.signal('SIGHUP');
  return waitFor(() => reloads(service.stdout())[before], {
    what: 'the reload',
    saw: service.stdout,
  });
}

/** The built service with a configuration file. */
export async function startReloadable(config?: FileConfig, env: Record<string, string> = {}) {
  const file = await configFile(config);
  const service = await forTest(startService({ env: { POSTERN_CONFIG: file.path, ...env } }));
  return {
    ...service,
    file,
    reload: () => reload(service),
    /** Writes a configuration, reloads it, and returns the log line. */
    async apply(next: FileConfig | string): Promise<Line> {
      await file.write(next);
      return reload(service);
    },
    issue: (json: object, key = KEY) => askApi(service, 'POST /tokens', { json, key }),
    gate: async (uri: string) => (await askGate(service, uri)).status,
    metric: async (name: string) => (await askMetrics(service)).get(name),
  };
}
