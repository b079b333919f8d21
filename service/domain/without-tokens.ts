/** What replaces a token in a text that people or other sites read. */
const HIDDEN = '***';

const MIN_TOKEN_LENGTH = 35;

/** Where a token could begin, or where something is encoded. Most texts have neither. */
const SUSPICIOUS = /ps_[\w\r\n-]{32}|ey[\w-]{18}|%/;

/**
 * Characters of a token, each raw or percent-encoded any number of times (%41, %2541, %252541), and
 * the line breaks that a mail program puts into a long link. Or an escape that is none of these.
 */
const RUN =
  /(?:[\w.-]|%(?:25)*(?:2[DdEe]|3\d|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|0[AaDd]))+|%[0-9A-Fa-f]{2}/g;

const OPAQUE = /ps_[\w-]{32}/;

/** Shorter than those of any real JWT, and longer than most parts of a file name or a host name. */
const MIN_HEADER = 22;
const MIN_PAYLOAD = 20;
const MIN_SIGNATURE = 16;

/** A link that was encoded so often is hidden: three times is more than real ones are. */
const MAX_DECODINGS = 5;

/**
 * A text without the tokens in it, however they are percent-encoded: for logs, reports, and URLs for
 * other sites. A text that cannot be read with certainty is hidden as a whole.
 */
export function withoutTokens(text: string): string {
  if (text.length < MIN_TOKEN_LENGTH || !SUSPICIOUS.test(text)) return text;
  const bare = text.replace(RUN, (match) =>
    match.length >= MIN_TOKEN_LENGTH && isSecret(match) ? HIDDEN : match,
  );
  return isSecret(bare) ? HIDDEN : bare;
}

export function holdsToken(text: string): boolean {
  return withoutTokens(text) !== text;
}

/** Whether a token is in the text or in what it decodes to, or nobody can say. */
function isSecret(text: string): boolean {
  const forms = decodings(text);
  if (forms.length > MAX_DECODINGS) return true;
  return forms.some((form) => OPAQUE.test(form) || form.split(/[^\w.-]+/).some(isJwt));
}

/**
 * A text as it is, decoded once, decoded twice, and so on until nothing is encoded, or until it is
 * encoded more often than any link. Malformed escapes stay; line breaks inside a token go.
 */
export function decodings(text: string): readonly string[] {
  const forms = [text];
  for (let seen = text; forms.length <= MAX_DECODINGS; ) {
    const decoded = seen
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(/(?<=[\w.-])[\r\n]+(?=[\w.-])/g, '');
    if (decoded === seen) break;
    forms.push(decoded);
    seen = decoded;
  }
  return forms;
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
