/** What stands below a command's help. */
export function example(line: string): string {
  return `\nExample:\n  ${line}`;
}
