import { escapeControls } from '../common/terminal.ts';
import { withoutTokens } from '../service/token/without-tokens.ts';

/**
 * A text that a site, an object store or a configuration contains, without tokens and without characters that
 * control a terminal. Everything that a doctor prints goes through this function.
 */
export function escaped(text: string): string {
  return escapeControls(withoutTokens(text));
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
