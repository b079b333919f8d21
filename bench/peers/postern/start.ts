import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../../../test/harness/paths.ts';
import { type ServiceProcess, startService, storeReady } from '../../../test/harness/service.ts';
import { type Group, residentBytes } from '../../../test/harness/usage.ts';
import { type Backend, EXPIRES_IN, KEY, NAME, type Variant, type Wanted } from '../../backend.ts';
import { onApi, onGate } from './site.ts';

type Environment = Readonly<Record<string, string>>;

/** A store on one server or several. */
export interface Servers {
  readonly url: string;
  /** Process groups whose CPU time is reported as that of Redis. */
  readonly pids: Group;
  stop(): Promise<void>;
}

interface PosternOptions {
  /** Absent: in memory. */
  readonly store?: () => Promise<Servers>;
  /** Further settings. The folder is for files that they name. */
  readonly env?: (folder: string) => Promise<Environment>;
  /** Further lines of nginx's http block. */
  readonly http?: string;
  readonly revocable?: boolean;
  /** More than one needs a store that they share. */
  readonly instances?: number;
  /** Replaces the wanted number. */
  readonly tokens?: number;
}

export function postern(id: string, title: string, options: PosternOptions = {}): Variant {
  return { id, title, start: (wanted) => startPostern({ ...wanted, ...options }) };
}

/** Starts the store and the service, and issues the tokens. */
async function startPostern(wanted: Wanted & PosternOptions): Promise<Backend> {
  const { files, tokens = 1, store, env, http = '', revocable = true } = wanted;
  const services: ServiceProcess[] = [];
  const folder = await temporaryFolder();
  const servers = await store?.();
  async function stop(): Promise<void> {
    await Promise.all(services.map((service) => service.stop()));
    await servers?.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const gate = (i: number) => `unix:${join(folder, `${i}.sock`)}`;
  const gates = Array.from({ length: wanted.instances ?? 1 }, (_, i) => gate(i));
  try {
    const all = {
      POSTERN_SOCKET_MODE: '0666',
      ...(servers && { POSTERN_STORE: servers.url }),
      ...(await env?.(folder)),
    };
    const start = (listen: string) => startInstance({ POSTERN_LISTEN: listen, ...all });
    const [first = '', ...others] = gates;
    const began = performance.now();
    services.push(await start(first));
    const startMs = performance.now() - began;
    for (const other of others) services.push(await start(other));
    await Promise.all(services.map(storeReady));
    const pids = services.map(({ pid }) => pid);
    const idleBytes = residentBytes(pids);
    const { apiPort = 0 } = services[0] ?? {};
    const grant = { path: `/download/${NAME}`, expires_in: EXPIRES_IN, revocable };
    const paths = (await issueTokens(apiPort, tokens, () => grant)).map(({ url }) => url);
    const api = onApi(apiPort);
    return {
      site: { ...onGate(files, gates, { ...api, http: `${api.http} ${http}` }), log: 'postern' },
      path: paths[0] ?? '',
      paths,
      refused: grant.path,
      issue: { path: '/tokens', authorization: `Bearer ${KEY}`, body: JSON.stringify(grant) },
      processes: { service: pids, ...(servers && { redis: servers.pids }) },
      startMs,
      idleBytes,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One instance with a mount and an API key. Its log goes to /dev/null. */
export function startInstance(env: Environment): Promise<ServiceProcess> {
  return startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `bench:${KEY}`,
      // A pause of the machine must not count as an error.
      POSTERN_STORE_TIMEOUT_MS: '5000',
      ...env,
    },
    stdio: 'ignore',
  });
}

export interface Issued {
  readonly id: string;
  readonly url: string;
}

/** The maximum number of tokens in one request. */
const BATCH = 100;

/** Concurrent requests, so that the service does not wait for the client. */
const AT_ONCE = 4;

export async function issueTokens(apiPort: number, count: number, grant: (i: number) => object) {
  const issued: Issued[] = [];
  let asked = 0;
  async function issueMore(): Promise<void> {
    while (asked < count) {
      const from = asked;
      asked = Math.min(count, from + BATCH);
      const grants = Array.from({ length: asked - from }, (_, i) => grant(from + i));
      issued.push(...(await issueBatch(apiPort, grants)));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, issueMore));
  return issued;
}

async function issueBatch(apiPort: number, grants: readonly object[]): Promise<Issued[]> {
  const reply = await fetch(`http://127.0.0.1:${apiPort}/tokens/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(grants),
  });
  if (reply.status !== 201) throw new Error(`no token: ${reply.status} ${await reply.text()}`);
  // The rest of each response is dropped: there may be a million.
  return ((await reply.json()) as Issued[]).map(({ id, url }) => ({ id, url }));
}
