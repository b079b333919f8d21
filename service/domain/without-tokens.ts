/** What replaces a token in a text that people or other sites read. */
const HIDDEN = '***';

/** A text without one of these holds no token, and most texts hold none of them. */
const SUSPICIOUS = /ps_|ey|%/;

/**
 * Characters of a token, each raw or percent-encoded any number of times (%41, %2541, %252541), and
 * the line breaks that a mail program puts into a long link. Or an escape that is none of these.
 */
const RUN =
  /((?:[\w.-]|%(?:25)*(?:2[DdEe]|3\d|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|0[AaDd]))+)|%[0-9A-Fa-f]{2}/g;

const OPAQUE = /ps_[\w-]{32}/;

/** Shorter than those of any real JWT, and longer than most parts of a file name or a host name. */
const MIN_HEADER = 22;
const MIN_PAYLOAD = 20;
const MIN_SIGNATURE = 16;

/** Encoders that run one after the other: more than any real link has been through. */
const MAX_DECODINGS = 4;

/**
 * A text without the tokens in it, however they are percent-encoded: for logs, reports, and URLs for
 * other sites. A text that cannot be read with certainty is hidden as a whole.
 */
export function withoutTokens(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  const bare = text.replace(RUN, (match, run) => (run && isSecret(run) ? HIDDEN : match));
  return isSecret(bare) ? HIDDEN : bare;
}

export function holdsToken(text: string): boolean {
  return withoutTokens(text) !== text;
}

/** Whether there is a token in the text itself, or in what it is once decoded. */
function isSecret(text: string): boolean {
  let seen = text;
  for (let times = 0; times <= MAX_DECODINGS; times += 1) {
    if (OPAQUE.test(seen) || seen.split(/[^\w.-]+/).some(isJwt)) return true;
    const decoded = percentDecoded(seen);
    if (decoded === seen) return false;
    seen = decoded;
  }
  return true;
}

/** Malformed escapes stay, as in a lenient decoder; line breaks inside a token go. */
function percentDecoded(text: string): string {
  return text
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/(?<=[\w.-])[\r\n]+(?=[\w.-])/g, '');
}

/** Also without the start of its header, which is no secret. */
function isJwt(run: string): boolean {
  const parts = run.split('.');
  const isLong = (i: number, min: number) => (parts[i]?.length ?? 0) >= min;
  return parts.some((part, i) => {
    const start = part.indexOf('ey');
    if (start < 0) return false;
    const isHeader = part.length - start >= MIN_HEADER;
    if (isHeader && isLong(i + 1, MIN_PAYLOAD) && isLong(i + 2, MIN_SIGNATURE)) return true;
    return start === 0 && i > 0 && isLong(i, MIN_PAYLOAD) && isLong(i + 1, MIN_SIGNATURE);
  });
}
