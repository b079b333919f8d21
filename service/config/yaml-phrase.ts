import type { ErrorCode } from 'yaml';

const PHRASES: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: 'entries of one mapping or list that begin in the same column',
  BAD_SCALAR_START: 'quotes around a value that begins with @ or `',
  BLOCK_AS_IMPLICIT_KEY: 'one "key: value" a line, and quotes around a value that holds ": "',
  DUPLICATE_KEY: 'each key once: this one is there already',
  MISSING_CHAR: 'a closing quote or bracket, or a colon after the key',
  MULTIPLE_DOCS: 'one document: no --- after the first line',
  NON_STRING_KEY: 'plain text for a key',
  TAB_AS_INDENT: 'spaces for indentation, not tabs',
  TAG_RESOLVE_FAILED: 'no tag: a value that begins with ! needs quotes',
  UNEXPECTED_TOKEN: 'quotes around a value that begins with [ or {, such as "[::1]:7300"',
};

/**
 * What YAML expects where the parser stumbled. In our words: the parser's own quote the text, which
 * may be a secret.
 */
export function phraseFor(code: ErrorCode): string {
  return `valid YAML: ${PHRASES[code] ?? 'nothing can be made of what stands here'}`;
}
