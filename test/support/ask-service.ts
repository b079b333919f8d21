import { get } from 'node:http';
import { expect, onTestFinished } from 'vitest';
import {
  type ServiceOptions,
  type ServiceProcess,
  startService,
  storeReady,
} from '../harness/service.ts';
import type { ApiReply, Asking as InProcess } from './ask-api.ts';
import { type IssuedToken, KEY } from './postern.ts';
import { samplesOf } from './samples.ts';

type Asking = Pick<InProcess, 'json' | 'form' | 'key'>;

/** Asks the API of a process, such as `GET /tokens`. */
export async function askApi(
  { apiPort }: Pick<ServiceProcess, 'apiPort'>,
  line: string,
  { json, form, key = KEY }: Asking = {},
): Promise<Pick<ApiReply, 'status' | 'body'>> {
  const [method = '', path = ''] = line.split(' ');
  const response = await fetch(`http://127.0.0.1:${apiPort}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(json !== undefined && { 'content-type': 'application/json' }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(form !== undefined && { body: new URLSearchParams(form) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** Asks the gate of a process as nginx does for a GET request. */
export function askGate(
  { gatePort }: Pick<ServiceProcess, 'gatePort'>,
  uri: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const usual = { 'X-Original-Method': 'GET', 'Postern-Site': 'files.example' };
  return fetch(`http://127.0.0.1:${gatePort}/auth-request`, {
    headers: { 'X-Original-URI': uri, ...usual, ...headers },
  });
}

/** The status of a path on a Unix socket; undefined if nothing answers. */
export function statusOn(socketPath: string, path: string, method = 'GET') {
  return new Promise<number | undefined>((resolve) => {
    const request = get({ socketPath, path, method, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', () => resolve(undefined));
  });
}

/** The series of /metrics. */
export async function askMetrics({ apiPort }: Pick<ServiceProcess, 'apiPort'>) {
  const response = await fetch(`http://127.0.0.1:${apiPort}/metrics`);
  return samplesOf(await response.text());
}

/** One mount and one API key. */
export const ENV = {
  POSTERN_MOUNTS: '/download/=/protected/',
  POSTERN_API_KEYS: `web:${KEY}`,
};

/** The built service with one mount and one API key, when its store takes writes. */
export async function startReady(
  env: Record<string, string> = {},
  more: Omit<ServiceOptions, 'env'> = {},
): Promise<ServiceProcess> {
  const service = await startService({ env: { ...ENV, ...env }, ...more });
  await storeReady(service);
  return service;
}

/** The same until the test ends, and what tests ask it. It must not end by itself with another code. */
export async function serviceForTest(env?: Record<string, string>, code = 0) {
  const service = await startReady(env);
  onTestFinished(async () => {
    const exit = await service.stop();
    if (exit.signal === null) expect(exit.code).toBe(code);
  });
  return {
    ...service,
    api: (line: string, asking?: Asking) => askApi(service, line, asking),
    async issue(json: object = { path: '/download/a' }): Promise<IssuedToken> {
      const reply = await askApi(service, 'POST /tokens', { json });
      if (reply.status !== 201) throw new Error(JSON.stringify(reply));
      return reply.body;
    },
    gate: (uri: string, headers?: Record<string, string>) => askGate(service, uri, headers),
    metric: async (name: string) => (await askMetrics(service)).get(name) ?? Number.NaN,
  };
}
