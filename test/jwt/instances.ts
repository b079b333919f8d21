import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { onTestFinished } from 'vitest';
import { postern } from '../cli/postern.ts';
import { startRedis } from '../harness/redis.ts';
import { type ServiceProcess, startService } from '../harness/service.ts';
import { waitFor } from '../harness/wait.ts';
import { type ApiReply, type Asking, askApi, askGate } from '../support/ask-service.ts';
import { folderForTest, forTest } from '../support/for-test.ts';
import { type IssuedToken, KEY } from '../support/postern.ts';

export const FILE = '/download/a';

export interface KeyFile {
  readonly path: string;
  /** Runs `postern key generate` on it, with these additional arguments. */
  generate(...words: string[]): Promise<void>;
  keys(): Promise<JWK[]>;
  write(content: readonly JWK[] | string): Promise<void>;
}

/** A key file in a separate folder, as operators have it. */
export async function keyFile(): Promise<KeyFile> {
  const folder = await folderForTest();
  const path = join(folder, 'keys.json');
  return {
    path,
    async generate(...words) {
      const { code, stderr } = await postern(['key', 'generate', '--out', path, ...words], folder);
      if (code !== 0) throw new Error(stderr);
    },
    keys: async () => JSON.parse(await readFile(path, 'utf8')).keys,
    write: (content) =>
      writeFile(path, typeof content === 'string' ? content : JSON.stringify({ keys: content })),
  };
}

/** A process of the built service. */
export interface Instance extends ServiceProcess {
  readonly api: string;
  ask(line: string, asking?: Asking): Promise<ApiReply>;
  issue(body?: object): Promise<IssuedToken>;
  /** What the gate answers to a request for a file with a token. */
  gate(token: string, path?: string, headers?: Record<string, string>): Promise<Response>;
  statusOf(token: string, path?: string): Promise<number>;
  /** The same of several. */
  statusesOf(...tokens: string[]): Promise<number[]>;
  /** Sends SIGHUP, and resolves with the log line that has the result. */
  reload(): Promise<Record<string, unknown>>;
}

/** Ended with the test. With keys, its tokens are JWTs unless a request says otherwise. */
export async function startInstance(env: Record<string, string>): Promise<Instance> {
  const { POSTERN_JWT_KEYS: keys } = env;
  const service = await startService({
    env: {
      POSTERN_MOUNTS: '/download/=/protected/',
      POSTERN_API_KEYS: `web:${KEY}`,
      ...(keys !== undefined && {
        POSTERN_FORMAT: 'jwt',
        POSTERN_ISSUER: 'https://files.example',
      }),
      ...env,
    },
  });
  onTestFinished(async () => void (await service.stop()));
  const { apiPort, stdout, signal } = service;
  const api = `http://127.0.0.1:${apiPort}`;
  // Its store may still have to be reached.
  await waitFor(async () => (await fetch(`${api}/readyz`)).ok, { what: 'the store to answer' });

  const ask: Instance['ask'] = (line, asking) => askApi(service, line, asking);
  const gate: Instance['gate'] = (token, path = FILE, headers = {}) =>
    askGate(service, `${path}?token=${token}`, { 'X-Real-IP': '192.0.2.1', ...headers });
  const statusOf = async (token: string, path?: string) => (await gate(token, path)).status;
  /** The log lines about a reload. */
  const told = () =>
    stdout()
      .split('\n')
      .filter((line) => line.includes('"the configuration was') && line.endsWith('}'))
      .map((line) => JSON.parse(line));

  return {
    ...service,
    api,
    ask,
    async issue(body = {}) {
      const reply = await ask('POST /tokens', { json: { path: FILE, ...body } });
      if (reply.status !== 201) throw new Error(JSON.stringify(reply));
      return reply.body;
    },
    gate,
    statusOf,
    statusesOf: (...tokens) => Promise.all(tokens.map((token) => statusOf(token))),
    async reload() {
      const before = told().length;
      signal('SIGHUP');
      return waitFor(() => told()[before], { what: 'the configuration to be read' });
    },
  };
}

/** Two of them on one Redis, with one file of keys. */
export async function startTwo() {
  const redis = await forTest(startRedis());
  const file = await keyFile();
  await file.generate();
  const env = { POSTERN_JWT_KEYS: file.path, POSTERN_STORE: redis.url };
  const each = await Promise.all([startInstance(env), startInstance(env)]);
  return { redis, file, one: each[0], other: each[1], each };
}
