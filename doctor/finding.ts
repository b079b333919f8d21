import { escapeControls } from '../common/terminal.ts';
import { withoutTokens } from '../service/token/without-tokens.ts';

/**
 * A text that a site, an object store or a configuration contains, without tokens and without characters that
 * control a terminal. Everything that a doctor prints goes through this function.
 */
export function escaped(text: string): string {
  return escapeControls(withoutTokens(text));
}

/** A report as a line of JSON, with each text escaped. A field whose value is undefined is left out. */
export function reportLine(report: object): string {
  const each = (_: string, value: unknown) => (typeof value === 'string' ? escaped(value) : value);
  return `${JSON.stringify(report, each)}\n`;
}

/** A finding, for people: what the doctor saw, the id of its rule, the reason and the fix. */
export function formatFinding(
  id: string,
  saw: string,
  texts: { why?: string; fix?: string; proof?: string; sign?: string },
) {
  const { why, fix, proof, sign = '✗' } = texts;
  const lines = [
    `${sign} ${saw}  [${id}]`,
    `    why:  ${why}`,
    `    fix:  ${fix}`,
    ...(proof ? [`    proof: ${proof}`] : []),
  ];
  return lines.map(escaped).join('\n');
}
