import { escapeControls } from '../terminal.ts';

/** What a doctor prints, and whether it found nothing. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly text: string;
}

interface Texts {
  readonly why?: string;
  readonly fix?: string;
}

/** A finding, for people: what the doctor saw, the id of its rule, the reason and the fix. */
export function formatFinding(id: string, saw: string, { why, fix }: Texts): string {
  const lines = [`✗ ${saw}  [${id}]`, `    why:  ${why}`, `    fix:  ${fix}`];
  return lines.map(escapeControls).join('\n');
}
