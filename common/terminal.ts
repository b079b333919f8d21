/** The reader of standard output closed it: `postern token list … | head`. */
export class StdoutClosed extends Error {
  override readonly name = 'StdoutClosed';
}

// Each write reports the error, also to `print`.
process.stdout.on('error', () => {});

/** Writes to standard output, and waits until the text is written. @throws StdoutClosed */
export async function print(text: string): Promise<void> {
  const error = await new Promise((resolve) => process.stdout.write(text, resolve));
  if (error) throw new StdoutClosed();
}

/** Characters that control a terminal, or change how it displays the text around them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text on one line, with control characters escaped. */
export function escapeControls(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** A value as a line of JSON, with control characters escaped. */
export function jsonLine(value: unknown): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  // Such a character is always inside a JSON string.
  const json = JSON.stringify(value).replace(UNPRINTABLE, (all) => all.replace(/[\s\S]/g, escaped));
  return `${json}\n`;
}
