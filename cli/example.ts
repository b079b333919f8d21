/** The example below the help of a command. */
export function example(line: string): string {
  return `\nExample:\n  ${line}`;
}
