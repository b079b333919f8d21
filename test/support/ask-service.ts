import type { ServiceProcess } from '../harness/service.ts';
import { KEY } from './postern.ts';

export interface ApiReply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a body of any shape, which the test is about
  readonly body: any;
}

export interface Asking {
  readonly json?: unknown;
  readonly form?: object;
  readonly key?: string;
}

/** Asks the API of a process, such as `GET /tokens`. */
export async function askApi(
  { apiPort }: Pick<ServiceProcess, 'apiPort'>,
  line: string,
  { json, form, key = KEY }: Asking = {},
): Promise<ApiReply> {
  const [method = '', path = ''] = line.split(' ');
  const response = await fetch(`http://127.0.0.1:${apiPort}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(json !== undefined && { 'content-type': 'application/json' }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(form !== undefined && { body: new URLSearchParams({ ...form }) }),
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
