import { isList, isMapping, type Value } from './given.ts';

/** Longer values are cut: a report is to be read. */
const MAX_SHOWN = 100;

/** All that may be shown of API keys: a key may stand in the place of its `id`, or in no place at all. */
const OPEN_OF_API_KEYS = /^api_keys\.(paths|targets|max_expires_in|max_resume_for)$/;

/**
 * What a report may show of a value; undefined: nothing.
 * `setting` is the path into the file without indices: `store`, `mounts.internal`.
 */
export function shown(setting: string, value: Value): string | undefined {
  if (/^api_keys\b/.test(setting) && !OPEN_OF_API_KEYS.test(setting)) return undefined;
  // The keys themselves may stand where their file's path should.
  if (setting === 'jwt_keys' && typeof value === 'string') return undefined;
  if (isList(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (value === null) return 'nothing';
  if (typeof value !== 'string') return String(value);
  return quote(holdsPassword(setting, value) ? withoutPassword(value) : value);
}

function holdsPassword(setting: string, value: string): boolean {
  // A path that was mistaken is to be seen.
  if (setting === 'issuers.jwks_uri') return value.includes('@');
  return setting === 'store' || setting === 'public_url';
}

/** A text in quotes, on one line, with nothing in it that a terminal would obey. */
export function quote(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return JSON.stringify(cut).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/**
 * A URL with scheme, host, port and a numeric path, and stars for all else. It must hold for what is
 * no URL at all, so nothing is parsed: what is not plainly harmless is left out.
 */
function withoutPassword(url: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(url)?.[0] ?? '';
  const rest = url.slice(scheme.length);
  // The last one: a password may hold others.
  const at = rest.lastIndexOf('@') + 1;
  const place = rest.slice(at);
  const harmless = /^([\w.-]+|\[[\da-f:.]+\])?(:\d{1,5})?(\/\d{0,5}$)?/i;
  const kept = harmless.exec(place)?.[0] ?? '';
  // Without an @ the text may be a password whose host was forgotten.
  const whole = kept === place || at > 0;
  return `${scheme}${at > 0 ? '***@' : ''}${whole ? kept : ''}${kept === place ? '' : '***'}`;
}
