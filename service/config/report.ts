import type { ConfigFault } from './fault.ts';

/** The faults as text: a headline, and a block for each. No newline at the end. */
export function report(faults: readonly ConfigFault[]): string {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  return [`Postern cannot start: ${count} in its configuration.`, ...faults.map(block)].join(
    '\n\n',
  );
}

/** One of them: where, what it is now, and what would be right. */
export function block({ field, where, value, expected }: ConfigFault): string {
  const lines = [`  ${field}${where === undefined ? '' : `  (${where})`}`];
  if (value !== undefined) lines.push(`    is now:   ${value}`);
  lines.push(`    expected: ${expected}`);
  return lines.join('\n');
}
