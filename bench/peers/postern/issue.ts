import { KEY } from '../../backend.ts';

/** The maximum number of tokens in one request. */
const BATCH = 1000;

/** Concurrent requests, so that the service does not wait for the client. */
const AT_ONCE = 2;

/** The maximum number of paths to keep, evenly distributed over all issued tokens. */
const KEPT = 12_000;

/** Issues tokens and returns the paths of up to 12,000 of them. */
export async function issueTokens(
  apiPort: number,
  grant: object,
  count: number,
): Promise<string[]> {
  const paths: string[] = [];
  const every = Math.ceil(count / KEPT);
  let asked = 0;
  async function issueMore(): Promise<void> {
    while (asked < count) {
      const size = Math.min(BATCH, count - asked);
      asked += size;
      const urls = await issueBatch(apiPort, Array(size).fill(grant));
      paths.push(...urls.filter((_, i) => i % every === 0));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, issueMore));
  return paths;
}

async function issueBatch(apiPort: number, grants: object[]): Promise<string[]> {
  const reply = await fetch(`http://127.0.0.1:${apiPort}/tokens/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(grants),
  });
  if (reply.status !== 201) throw new Error(`no token: ${reply.status} ${await reply.text()}`);
  return ((await reply.json()) as { url: string }[]).map(({ url }) => url);
}
