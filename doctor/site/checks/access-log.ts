import { open, stat } from 'node:fs/promises';
import { Failure, systemReason } from '../../../common/errors.ts';
import { decodings } from '../../../service/token/without-tokens.ts';
import { type CheckResult, failed, ok, untested } from '../attempts.ts';
import { type Check, type TestedSite, withToken } from '../tested-site.ts';

export const ACCESS_LOG = 'access-log';

const MAX_BYTES = 64 << 20;
const FLUSH_MS = 3_000;
/** Enough to exhaust the JIT stack of PCRE, and short enough for nginx's buffer of 8k. */
const LONG = 3_000;

/** Searches the log lines of this run for its tokens. @throws Failure if the log cannot be read */
export async function accessLogCheck(file: string): Promise<Check> {
  const unreadable = (error: unknown): never => {
    throw new Failure(`--access-log ${file} cannot be read: ${systemReason(error)}`);
  };
  const { size: start } = await stat(file).catch(unreadable);

  /** What nginx has written since the start. */
  async function added(): Promise<string> {
    const handle = await open(file).catch(unreadable);
    try {
      const { size: end } = await handle.stat();
      // A log that is shorter than before was rotated.
      const from = end < start ? 0 : start;
      const bytes = Buffer.alloc(Math.min(end - from, MAX_BYTES));
      await handle.read(bytes, 0, bytes.length, from);
      return bytes.toString('latin1');
    } finally {
      await handle.close();
    }
  }

  return {
    title: 'tokens in the access log',
    why: 'everybody who can read the log or a copy of it can open the files until the tokens expire',
    fix: 'access_log /var/log/nginx/access.log postern; as the only access_log, with postern/http.conf in the http block',
    run: async (site) => {
      await leaveTraces(site);
      const last = Date.now() + FLUSH_MS;
      for (;;) {
        const text = await added();
        if (text.includes(lastMark(site)) || Date.now() > last) return search(site, text);
        site.say('waiting for nginx to write the log');
        await site.pause(200);
      }
    },
  };
}

/** Sends tokens in all places that a log line can contain. */
async function leaveTraces(site: TestedSite): Promise<void> {
  const { token, target } = await site.issue();
  const plain = site.canary.target;
  const traces = [
    target,
    withToken(plain, `%70s_${token.slice(3)}`),
    withToken(plain, encodedTwice(token)),
    // A regex that backtracks over this value fails, and a log format that then falls back to the whole line
    // contains the token.
    withToken(`${plain}?x=ps_${'a'.repeat(LONG)}`, token),
  ];
  for (const trace of traces) await site.ask({ target: `${trace}&${site.mark}` });
  await site.ask({
    target: `${target}&${lastMark(site)}`,
    headers: { Referer: `http://localhost${target}` },
  });
}

/** nginx writes a log line after the response: the log is complete when it contains this mark. */
function lastMark({ mark }: TestedSite): string {
  return `${mark}-last`;
}

function encodedTwice(token: string): string {
  const once = Buffer.from(token).toString('hex').replace(/../g, '%$&');
  return once.replaceAll('%', '%25');
}

function search(site: TestedSite, text: string): CheckResult {
  const tokens = site.api.issued;
  const lines = text.split('\n');
  const hit = lines.filter((line) =>
    decodings(line).some((form) => tokens.some((token) => form.includes(token))),
  );
  if (hit.length > 0) return failed(`${hit.length} lines contain a token of this run`);
  if (!text.includes(lastMark(site))) {
    return untested(
      'the log lacks the last line of this run: it is another log, nginx buffers it (buffer=), or its format has no query',
    );
  }
  const own = lines.filter((line) => line.includes(site.mark));
  return ok(`${own.length} lines of this run, no token`);
}
