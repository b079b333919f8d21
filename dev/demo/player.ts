import type { Paper } from './paper.ts';
import { curlLine, type Reply, type Request, send } from './request.ts';
import type { Sample } from './samples.ts';
import type { Site } from './site.ts';

/** The response that a step expects. */
interface Expected {
  readonly status: number;
  readonly sha256?: string;
  /** The code of the problem document. */
  readonly code?: string;
}

interface Issued {
  readonly access_token: string;
  readonly id: string;
  readonly expires_in: number;
  readonly url: string;
}

/** Seconds: long enough to try the printed commands. The default is two minutes. */
const EXPIRES_IN = 3600;

export type Player = ReturnType<typeof createPlayer>;

type Range = readonly [number, number];

export function createPlayer(site: Site, paper: Paper) {
  let failures = 0;

  async function act(
    title: string,
    request: Request,
    expected: Expected,
    more: (reply: Reply) => string = () => '',
  ): Promise<Reply> {
    paper.step(title, curlLine(request));
    const reply = await send(request);
    const { ok, text } = judge(reply, expected);
    if (!ok) failures += 1;
    paper.result(ok, ok ? text + more(reply) : text);
    return reply;
  }

  const authorization = { Authorization: `Bearer ${site.key}` };

  async function post<T>(title: string, grants: unknown): Promise<T> {
    const request: Request = {
      url: `${site.api}/tokens${Array.isArray(grants) ? '/batch' : ''}`,
      headers: { ...authorization, 'Content-Type': 'application/json' },
      body: JSON.stringify(grants),
      show: 'answer',
    };
    const reply = await act(title, request, { status: 201 }, inShort);
    if (reply.status !== 201) throw new Error(`no token was issued: ${reply.text}`);
    return JSON.parse(reply.text) as T;
  }

  return {
    /** Requests the URL. The response must be the expected one. */
    async get(title: string, url: string, expected: Expected) {
      await act(title, { url, show: 'answer' }, expected);
    },
    /** The response must be the file as it is on disk, or the range of it. */
    async file(title: string, url: string, { sha256 }: Pick<Sample, 'sha256'>, range?: Range) {
      const request: Request = { url, show: 'checksum', ...(range && { range }) };
      await act(title, request, { status: range ? 206 : 200, sha256 });
    },
    issue: (title: string, grant: object) =>
      post<Issued>(title, { ...grant, expires_in: EXPIRES_IN }),
    issueAll(title: string, grants: readonly object[]) {
      const all = grants.map((grant) => ({ ...grant, expires_in: EXPIRES_IN }));
      return post<Issued[]>(title, all);
    },
    /** Shows how often a token was used, and from where. */
    async uses(title: string, id: string) {
      const url = `${site.api}/tokens/${id}`;
      const request: Request = { url, headers: authorization, show: 'answer' };
      await act(title, request, { status: 200 }, usesInShort);
    },
    async revoke(title: string, token: string) {
      const request: Request = {
        url: `${site.api}/revoke`,
        headers: authorization,
        body: `token=${token}`,
        show: 'answer',
      };
      await act(title, request, { status: 200 });
    },
    /** Revokes the token of a running download. It must end before it is complete. */
    async cut(title: string, { url, access_token: token }: Issued, { bytes }: Sample) {
      const line = `${curlLine({ url, show: 'answer' }).replace('-i', '-sSo /dev/null')} & sleep 1`;
      const revocation: Request = {
        url: `${site.api}/revoke`,
        headers: authorization,
        body: `token=${token}`,
        show: 'answer',
      };
      paper.step(title, `${line}; ${curlLine(revocation)}`);
      let received = 0;
      let isRevoked = false;
      const { body } = await fetch(url);
      const ended = (async () => {
        for await (const chunk of body ?? []) {
          received += chunk.length;
          if (isRevoked || received < 1_000_000) continue;
          isRevoked = true;
          void send(revocation);
        }
      })();
      const ok = await ended.then(
        () => false,
        () => true,
      );
      if (!ok) failures += 1;
      const megabytes = (count: number) => (count / 1e6).toFixed(1);
      paper.result(
        ok,
        `200, and the download ended after ${megabytes(received)} of ${megabytes(bytes)} MB`,
      );
    },
    /** How many steps failed. */
    failures: () => failures,
  };
}

function inShort({ text }: Reply): string {
  const issued = [JSON.parse(text)].flat() as Issued[];
  const [first] = issued;
  const what = issued.length === 1 ? first?.access_token : `${issued.length} tokens`;
  return ` ${what}, for ${first?.expires_in} s`;
}

function usesInShort({ text }: Reply): string {
  const { uses_left: left, requesters } = JSON.parse(text) as {
    uses_left: number;
    requesters: Array<{ address: string }>;
  };
  return ` uses left: ${left}; used from ${requesters.map(({ address }) => address).join(', ')}`;
}

/** Compares the response with the expected one, as one line of text. */
function judge(reply: Reply, expected: Expected): { ok: boolean; text: string } {
  const came: Expected = {
    status: reply.status,
    ...(expected.sha256 !== undefined && { sha256: reply.sha256 }),
    ...(expected.code !== undefined && { code: codeOf(reply.text) }),
  };
  const ok = describe(came, true) === describe(expected, true);
  if (!ok) return { ok, text: `${describe(came)} instead of ${describe(expected)}` };
  const size = expected.sha256 === undefined ? '' : `, ${bytes(reply.bytes)}, same as on disk`;
  return { ok, text: describe(came) + size };
}

function describe({ status, sha256, code }: Expected, full = false): string {
  const sum = sha256 && `sha256 ${full ? sha256 : `${sha256.slice(0, 12)}…`}`;
  return [status, code, sum].filter(Boolean).join(' ');
}

function codeOf(text: string): string {
  try {
    return String(JSON.parse(text).code);
  } catch {
    return '(no problem document)';
  }
}

function bytes(count: number): string {
  const mib = count / 2 ** 20;
  return mib >= 1 ? `${mib} MiB` : `${count.toLocaleString('en')} bytes`;
}
