import { Agent, request } from 'node:http';
import { KEY } from '../../test/support/postern.ts';
import type { Issue, Open, Operation, Revoke } from './checker.ts';
import { keyOf, type Site } from './site.ts';

/** nginx and Postern answer earlier: a response that takes longer is as good as none. */
const PATIENCE_MS = 15_000;

interface Reply {
  readonly status: number;
  readonly body: string;
}

export interface Issued {
  readonly token: string;
  readonly id: string;
  readonly file: string;
  readonly single: boolean;
  readonly subject?: string;
  readonly client?: string;
}

interface IssueOptions {
  readonly single?: boolean;
  readonly subject?: string;
  /** One of CLIENTS. Default: a client whose tokens are never all revoked. */
  readonly client?: string;
  readonly count?: number;
}

export type Client = ReturnType<typeof createClient>;

/** Sends requests and records what came of them. */
export function createClient({ port, apiPorts }: Pick<Site, 'port' | 'apiPorts'>) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
  const history: Operation[] = [];
  const strange = new Map<number, number>();
  let turn = 0;

  function send(to: number, line: string, headers: Record<string, string>, body = '') {
    const [method = '', path = ''] = line.split(' ');
    return new Promise<Reply>((resolve) => {
      // A server may close an idle connection at this moment: that is no failure of the server.
      const failed = () => resolve({ status: sent.reusedSocket ? 503 : 0, body: '' });
      const options = { host: '127.0.0.1', port: to, method, path, headers, agent };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on('error', failed);
      });
      sent.setTimeout(PATIENCE_MS, () => sent.destroy());
      sent.on('error', failed);
      sent.end(body);
    });
  }

  /** Asks the instances in turn. */
  function api(line: string, type: string, body?: string, client?: string): Promise<Reply> {
    turn += 1;
    const key = client === undefined ? KEY : keyOf(client);
    const headers = { authorization: `Bearer ${key}`, 'content-type': type };
    return send(apiPorts[turn % apiPorts.length] as number, line, headers, body);
  }

  /** Whether a response is one of those that say that it was done. */
  function isDone({ status }: Reply, ...expected: number[]): boolean {
    if (expected.includes(status)) return true;
    // 429: eight batches or revocations of this client wait for a store that does not answer.
    if (status !== 503 && status !== 429) strange.set(status, (strange.get(status) ?? 0) + 1);
    return false;
  }

  return {
    history,
    /** Responses other than the expected ones, 429 and 503, by their status; 0 is a connection that failed. */
    strange: strange as ReadonlyMap<number, number>,
    /** Undefined if it was not acknowledged. */
    async issue(file: string, more: IssueOptions = {}): Promise<Issued[] | undefined> {
      const { single = false, subject, client, count = 1 } = more;
      const wanted = {
        path: `/download/${file}`,
        expires_in: 3600,
        ...(single && { max_uses: 1, resume_for: 3600 }),
        ...(subject !== undefined && { subject }),
      };
      const start = performance.now();
      const body = JSON.stringify(count === 1 ? wanted : Array(count).fill(wanted));
      const line = `POST /tokens${count === 1 ? '' : '/batch'}`;
      const reply = await api(line, 'application/json', body, client);
      const end = performance.now();
      const done = isDone(reply, 201);
      const given: Array<{ access_token: string; id: string }> = done
        ? [JSON.parse(reply.body)].flat()
        : [];
      const tokens = given.map(({ access_token }) => access_token);
      const outcome: Issue['outcome'] = done ? 'done' : 'unknown';
      history.push({ op: 'issue', tokens, file, single, start, end, outcome });
      if (!done) return undefined;
      return given.map(({ access_token: token, id }) => {
        const owner = {
          ...(subject !== undefined && { subject }),
          ...(client !== undefined && { client }),
        };
        return { token, id, file, single, ...owner };
      });
    },

    /** Asks for a file, by default for the token's. */
    async open({ token, single, file: own }: Issued, requester: string, file = own) {
      const start = performance.now();
      const headers = { host: 'files.example', 'x-forwarded-for': requester };
      const reply = await send(port, `GET /download/${file}?token=${token}`, headers);
      const end = performance.now();
      const isAnswered = isDone(reply, 200, 401, 403);
      const answer = reply.status === 200 ? 'opened' : 'denied';
      const outcome: Open['outcome'] = isAnswered ? answer : 'unknown';
      // The file that came, not the one that was asked for.
      const came = outcome === 'opened' ? reply.body : file;
      history.push({ op: 'open', token, file: came, single, requester, start, end, outcome });
      return outcome;
    },

    async revoke(by: Revoke['by'], tokens: readonly Issued[]) {
      const [first] = tokens as readonly [Issued];
      const start = performance.now();
      const form = 'application/x-www-form-urlencoded';
      const reply =
        by === 'token'
          ? await api('POST /revoke', form, `token=${first.token}`)
          : by === 'id'
            ? await api(`DELETE /tokens/${first.id}`, form)
            : await api(`DELETE /tokens?${by}=${first[by]}`, form, '', first.client);
      const end = performance.now();
      // 404: there is no such token, so it must not open either.
      const outcome: Revoke['outcome'] = isDone(reply, 200, 204, 404) ? 'done' : 'unknown';
      const ended = tokens.map(({ token }) => token);
      history.push({ op: 'revoke', by, tokens: ended, start, end, outcome });
      return outcome;
    },

    close: () => agent.destroy(),
  };
}
