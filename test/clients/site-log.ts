import { waitFor } from '../harness/wait.ts';
import type { Site } from '../support/site.ts';

/** A line of the log in the snippets' own format. */
export interface LogLine {
  readonly address: string;
  readonly request: string;
  readonly status: number;
  readonly bytes: number;
  /** `OK` if nginx sent everything, else empty. */
  readonly completion: string;
  readonly token_id: string;
  readonly code: string;
}

/** The lines of one token, in the order in which nginx finished the requests. */
export async function linesOf(site: Site, tokenId: string): Promise<LogLine[]> {
  const lines = (await site.log()).split('\n').slice(0, -1);
  const all = lines.map((line): LogLine => JSON.parse(line));
  return all.filter(({ token_id }) => token_id === tokenId);
}

/** nginx writes a line when it has finished a request, which can be after its client has ended. */
export function waitForLines(
  site: Site,
  tokenId: string,
  areAll: (lines: LogLine[]) => boolean,
): Promise<LogLine[]> {
  return waitFor(
    async () => {
      const lines = await linesOf(site, tokenId);
      return areAll(lines) && lines;
    },
    { what: "the requests in nginx's log" },
  );
}
