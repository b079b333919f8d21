/** An aligned table for a terminal: the first column to the left, the others to the right. */
export function align(lines: readonly (readonly string[])[]): string {
  const columns = Math.max(...lines.map((line) => line.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...lines.map((line) => line[i]?.length ?? 0)),
  );
  const cell = (text: string, i: number) =>
    i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0);
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n');
}

export function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)}`;
