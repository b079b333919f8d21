import { type Grant, isFolder } from './grant.ts';

const HIDDEN = '***';

const MIN_TOKEN_LENGTH = 35;

/** The start of a token, or a percent-encoded character. Most texts have neither. */
const SUSPICIOUS = /ps_[\w\r\n-]{32}|ey[\w-]{18}|%/;

/**
 * Characters of a token, each raw or percent-encoded any number of times (%41, %2541, %252541), with the
 * line breaks that a mail program inserts into a long link. Or any other percent-encoded character.
 */
const RUN =
  /(?:[\w.-]|%(?:25)*(?:2[DdEe]|3\d|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|0[AaDd]))+|%[0-9A-Fa-f]{2}/g;

const OPAQUE = /ps_[\w-]{32}/;

/** Shorter than in any real JWT, and longer than most parts of a file or host name. */
const MIN_HEADER = 22;
const MIN_PAYLOAD = 20;
const MIN_SIGNATURE = 16;

/** Real links are encoded three times at most. A link with more encodings than this is hidden. */
const MAX_DECODINGS = 5;

/**
 * Replaces the tokens in a text, however they are percent-encoded: for logs, reports, and URLs for other
 * sites. A text that cannot be decoded with certainty is replaced as a whole.
 */
export function withoutTokens(text: string): string {
  if (text.length < MIN_TOKEN_LENGTH || !SUSPICIOUS.test(text)) return text;
  const bare = text.replace(RUN, (match) =>
    match.length >= MIN_TOKEN_LENGTH && isSecret(match) ? HIDDEN : match,
  );
  return isSecret(bare) ? HIDDEN : bare;
}

/** The fields of a grant for a log line or an event, without tokens. */
export function loggedGrant(
  id: string | undefined,
  { client, subject, covers, site }: Grant,
): object {
  return {
    token_id: id,
    client,
    subject: subject && withoutTokens(subject),
    [isFolder(covers) ? 'prefix' : 'path']: withoutTokens(covers),
    site,
  };
}

export function holdsToken(text: string): boolean {
  return withoutTokens(text) !== text;
}

/** Whether the text or one of its decodings has a token, or this cannot be decided. */
function isSecret(text: string): boolean {
  const forms = decodings(text);
  if (forms.length > MAX_DECODINGS) return true;
  return forms.some((form) => OPAQUE.test(form) || form.split(/[^\w.-]+/).some(isJwt));
}

/**
 * A text undecoded, decoded once, twice, and so on until nothing is encoded, or MAX_DECODINGS is
 * exceeded. Malformed escapes stay; line breaks inside a token are removed.
 */
export function decodings(text: string): readonly string[] {
  const forms = [text];
  for (let last = text; forms.length <= MAX_DECODINGS; ) {
    const decoded = last
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replace(/(?<=[\w.-])[\r\n]+(?=[\w.-])/g, '');
    if (decoded === last) break;
    forms.push(decoded);
    last = decoded;
  }
  return forms;
}

/** Also detects a JWT without the start of its header, which is not secret. */
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
