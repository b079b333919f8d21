import { Writable } from 'node:stream';
import { pino } from 'pino';
import { createMemoryStore } from '../../service/store/memory.ts';
import { type Store, StoreUnavailable } from '../../service/token/store.ts';
import { apiKey, createPostern, KEY, type PosternOptions } from './postern.ts';

export const OTHER_KEY = 'the-key-of-another-client';

export interface ApiReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined if it is empty. */
  // biome-ignore lint/suspicious/noExplicitAny: a body of any shape, which the test is about
  readonly body: any;
}

export interface Asking {
  readonly key?: string | undefined;
  readonly json?: unknown;
  readonly form?: Record<string, string> | Array<[string, string]>;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** The API with two clients, with a clock that the test sets. */
export function createAsked(options: PosternOptions = {}) {
  const clock = { now: 1_800_000_000_000 };
  const apiKeys = [apiKey(KEY), apiKey(OTHER_KEY, { id: 'other' })];
  const postern = createPostern({ apiKeys, now: () => clock.now, ...options });

  async function ask(line: string, asking: Asking = {}): Promise<ApiReply> {
    const [method = '', path = ''] = line.split(' ');
    const { key = KEY, json, form, headers, body } = asking;
    const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
    const content = json === undefined ? form && new URLSearchParams(form).toString() : json;
    const sent = body ?? (json === undefined ? (content as string) : JSON.stringify(json));
    const response = await postern.api.request(path, {
      method,
      headers: {
        ...(key !== '' && { authorization: `Bearer ${key}` }),
        ...(content !== undefined && { 'content-type': type }),
        ...headers,
      },
      ...(sent !== undefined && { body: sent, duplex: 'half' }),
    });
    const text = await response.text();
    const { status, headers: told } = response;
    return { status, headers: told, text, body: text === '' ? undefined : JSON.parse(text) };
  }

  return { ...postern, clock, ask };
}

/** A log that keeps its lines. */
export function keptLog(level = 'info') {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const log = pino({ level, base: null }, stream);
  const parsed = () => lines.map((line) => JSON.parse(line));
  return { log, lines, parsed, withoutAudit: () => parsed().filter(({ msg }) => msg !== 'audit') };
}

/** A store in which everything fails. */
export function brokenStore(error: Error = new StoreUnavailable('Connection is closed.')): Store {
  const fail = () => Promise.reject(error);
  const { close, ...store } = createMemoryStore();
  const failing = Object.fromEntries(Object.keys(store).map((name) => [name, fail]));
  return { ...(failing as unknown as Store), close };
}
