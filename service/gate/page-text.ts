/** Characters of a file name on a page. */
const MAX_LENGTH = 255;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Control characters, line separators, and characters that change the direction of text or are lone surrogates. */
const HARMFUL = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A name for a page that nginx fills in: escaped for HTML text and quoted attributes. */
export function pageText(name: string): string {
  const characters = [...name];
  const short =
    characters.length > MAX_LENGTH ? `${characters.slice(0, MAX_LENGTH - 1).join('')}…` : name;
  return short.replace(HARMFUL, '\ufffd').replace(/[&<>"']/g, (one) => ENTITIES[one] ?? '');
}
