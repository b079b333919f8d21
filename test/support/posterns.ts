import { type ClientOptions, createClient } from '../../client/client.ts';
import { createAsked, OTHER_KEY } from './ask-api.ts';
import { KEY, type PosternOptions } from './postern.ts';

/** Two clients of the same API, which runs in this process without a server. */
export function createClients(
  options: PosternOptions = {},
  key: ClientOptions['key'] = KEY,
  more: Partial<ClientOptions> = {},
) {
  const asked = createAsked(options);
  const sent: Array<RequestInit & { url: string }> = [];
  const fetch: ClientOptions['fetch'] = async (url, init = {}) => {
    sent.push({ url: String(url), ...init });
    return asked.api.request(String(url), init);
  };
  const url = 'http://postern.example';
  const postern = createClient({ url, key, fetch, ...more });
  const other = createClient({ url, key: OTHER_KEY, fetch });
  return { ...asked, sent, postern, other };
}

export type Handler = (url: string, init: RequestInit) => Response | Promise<Response>;

/** A client whose requests this function answers, and the requests. */
export function createFaked(handler: Handler, options: Partial<ClientOptions> = {}) {
  const sent: Array<RequestInit & { url: string }> = [];
  const fetch: ClientOptions['fetch'] = async (url, init = {}) => {
    sent.push({ url: String(url), ...init });
    return handler(String(url), init);
  };
  return { sent, postern: createClient({ url: 'http://a', key: KEY, fetch, ...options }) };
}

/** A problem document, as the API sends it. */
export function problem(
  status: number,
  code: string,
  headers: Record<string, string> = {},
  pointers: readonly string[] = [],
) {
  const type = { 'Content-Type': 'application/problem+json' };
  return Response.json(
    {
      status,
      code,
      detail: 'why',
      errors: pointers.map((pointer) => ({ pointer, detail: 'why' })),
    },
    { status, headers: { ...type, ...headers } },
  );
}
