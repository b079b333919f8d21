/** What nginx reads as one word without quotes. */
const BARE = /^[A-Za-z0-9_./:*\-[\]]+$/;

/** The maximum length of a word in nginx, in bytes, with room for its quotes (ngx_conf_file.c). */
export const MAX_WORD_BYTES = 4000;

/**
 * A text as one word of a configuration, by the rules of ngx_conf_read_token: in double quotes only
 * `"` and `\` mean anything. A `$` is left as it is, so it must be a place in which nginx looks for no
 * variables, such as a location's prefix.
 */
export function word(text: string): string {
  return BARE.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}
