/** Characters that a terminal would obey, or that would make it show another text than there is. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text on one line, in which nothing is left that a terminal would obey. */
export function plain(text: string): string {
  return text.replace(OBEYED, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** A value as JSON on one line, in which nothing is left that a terminal would obey. */
export function plainJson(value: unknown): string {
  // Such a character is always inside a string.
  return JSON.stringify(value).replace(OBEYED, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
