import { type Grant, isFolder } from './grant.ts';

const HIDDEN = '***';

/** The start of a token, or a percent-encoded character. Most texts have neither. */
const SUSPICIOUS = /ps_|ey[\w-]{18}|%/;

/** A word: characters of a token, raw or percent-encoded, and those that can break it, except a space. */
const WORD = /[\w.%+\u0080-\uffff-]+/g;

const OPAQUE = /ps_[\w-]{32}/;

/**
 * A token that a mail program or a person has broken, or cut off: a piece of 12 characters is enough. Without its
 * capital letter or digit it would be the name of a file, such as ps_assets_and_more.zip.
 */
const PIECE = /ps_(?:[\w-]{0,11}[\s.+\u0080-\uffff]+)?(?=[\w-]{12})[a-z_-]*[A-Z\d]/;

/** The header of a JWT, or its payload. Longer than in most names of files and hosts. */
const JWT_PART = /ey[\w-]{18}/;
const MIN_NEXT_PART = 16;

/** Real links are encoded three times at most. A link with more encodings than this is hidden. */
const MAX_DECODINGS = 5;

/** Characters of a text that are searched, and written. */
export const MAX_TEXT_LENGTH = 1024;

/** Percent signs that are encoded again. No link has as many, and each costs time in each decoding. */
const MAX_ENCODED_AGAIN = 32;

/** A text that completes the beginning of a token. */
const REST = 'A'.repeat(32);

/**
 * Replaces the tokens in a text, however they are percent-encoded: for logs, reports, and URLs for other
 * sites. A text that cannot be decoded with certainty is replaced as a whole. A long one is cut off.
 */
export function withoutTokens(text: string): string {
  if (text.length > MAX_TEXT_LENGTH) {
    // The cut may be inside a token, and inside an encoded character of it.
    const cut = text.slice(0, MAX_TEXT_LENGTH).replace(/%(?:25)*[\dA-Fa-f]?$/, '');
    const bare = hideTokens(cut + REST);
    return `${bare.endsWith(REST) ? bare.slice(0, -REST.length) : bare}…`;
  }
  return hideTokens(text);
}

function hideTokens(text: string): string {
  if (!SUSPICIOUS.test(text)) return text;
  if (text.split('%25', MAX_ENCODED_AGAIN + 2).length > MAX_ENCODED_AGAIN + 1) return HIDDEN;
  const forms = decodings(text);
  if (forms.length > MAX_DECODINGS) return HIDDEN;
  if (!forms.some(hasToken)) return text;
  const bare = text.replace(WORD, (word) => (isSecret(word) ? HIDDEN : word));
  return isSecret(bare) ? HIDDEN : bare;
}

/** The fields of a grant for a log line or an event, without tokens. */
export function loggedGrant(id: string | undefined, { client, subject, covers, site }: Grant) {
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
  return forms.length > MAX_DECODINGS || forms.some(hasToken);
}

function hasToken(form: string): boolean {
  return (
    OPAQUE.test(form) ||
    PIECE.test(form) ||
    (JWT_PART.test(form) && form.split(/[^\w.-]+/).some(isJwt))
  );
}

/** A text undecoded, decoded once, twice, and so on. Malformed escapes stay; line breaks inside a token are removed. */
function decodings(text: string): readonly string[] {
  const forms = [text];
  for (let last = text; forms.length <= MAX_DECODINGS; ) {
    // unescape makes a character of each byte and keeps malformed escapes. decodeURIComponent fails for them.
    const decoded = withoutBreaks(unescape(last));
    if (decoded === last) break;
    forms.push(decoded);
    last = decoded;
  }
  return forms;
}

/** Removes line breaks inside a word. Most texts have none, and a lookbehind for each character takes long. */
function withoutBreaks(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/(?<=[\w.-])[\r\n]+(?=[\w.-])/g, '') : text;
}

/** This also detects a JWT without its header, which is not secret. */
function isJwt(word: string): boolean {
  const parts = word.split('.');
  return parts.some((part, i) => {
    const next = parts[i + 1] ?? '';
    return JWT_PART.test(part) && next.length >= MIN_NEXT_PART;
  });
}
