/** Maximum length of a decoded path, in bytes of UTF-8. */
export const MAX_PATH_BYTES = 2048;

const CONTROL = /\p{Cc}/u;
const TOO_LONG = `must not exceed ${MAX_PATH_BYTES} bytes`;

/**
 * Why a decoded path is invalid, as a phrase for a message; undefined if it is valid. nginx, a file system and Postern
 * must read a path in the same way. So it has no empty or dot segment (nginx merges and resolves them), no backslash,
 * no control character, and no space at the end (HTTP trims header values, which would name another file).
 */
export function pathError(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must start with a slash';
  // First, to bound the checks of each character.
  if (path.length > MAX_PATH_BYTES) return TOO_LONG;
  if (CONTROL.test(path)) return 'must not contain a control character';
  if (path.includes('\\')) return 'must not contain a backslash';
  if (path.endsWith(' ')) return 'must not end in a space';
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'must not have an empty segment';
    if (segment === '.' || segment === '..') return 'must not have a dot segment';
  }
  if (!path.isWellFormed()) return 'must be valid Unicode';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return TOO_LONG;
  return undefined;
}

/** Does the same as {@link pathError} for a folder: a path that ends with one slash. */
export function prefixError(prefix: string): string | undefined {
  if (!prefix.endsWith('/')) return 'must end with a slash';
  return prefix === '/' ? undefined : pathError(prefix.slice(0, -1));
}

/** Printable ASCII without `%`, and without `#` and `\`, which are never valid unencoded. */
const PLAIN = /^[\x21\x22\x24\x26-\x5b\x5d-\x7e]*$/;
const ENCODED_SLASH = /%2f/i;

// `fatal` rejects overlong and broken sequences. `ignoreBOM` keeps a leading U+FEFF: without it the
// decoder drops three bytes that the file system would still see.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Percent-decodes the path of a request-target once (one character per byte). Undefined if it cannot be decoded or
 * contains `%2F` or a raw `#`. The result must still pass {@link pathError}.
 */
export function decodePath(raw: string): string | undefined {
  if (PLAIN.test(raw)) return raw;
  if (raw.includes('#') || ENCODED_SLASH.test(raw)) return undefined;
  return percentDecode(raw);
}

/** Percent-decodes the value of a query argument as in a form: `+` is a space. */
export function decodeArgument(raw: string): string | undefined {
  return percentDecode(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
}

function percentDecode(raw: string): string | undefined {
  if (/%(?![\da-f]{2})/i.test(raw)) return undefined;
  try {
    // decodeURIComponent fails if some bytes of a character are raw and others encoded.
    return utf8.decode(Buffer.from(unescape(raw), 'latin1'));
  } catch {
    return undefined;
  }
}

export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** A hint for a path that looks like a part of a URL. A file may have such a name, so it is not an error. */
export function encodingHint(path: string): string | undefined {
  const [found] = /%[0-9a-f]{2}|\?/i.exec(path) ?? [];
  return found && `Paths are not URL-encoded: this token is for a name that contains ${found}`;
}

/** The `Path` of a cookie: browsers ignore a longer one (RFC 6265bis, section 5.6). */
export const MAX_COOKIE_PATH_LENGTH = 1024;
