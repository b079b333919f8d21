import type { Found } from './rules.ts';
import type { Site } from './site.ts';

/** What was found, for a person. */
export function report(found: readonly Found[], site: Site, files: readonly string[]): string {
  const read = `${count(files.length, 'file')}, ${count(site.gates.length, 'gate')}, ${count(site.internals.length, 'internal location')}`;
  if (found.length === 0) return `✓ nothing found (${read})\n`;
  return `${[...found.map(block), `${count(found.length, 'finding')} (${read})`].join('\n\n')}\n`;
}

/** The same for a program, in one line. */
export function reportJson(found: readonly Found[], site: Site, files: readonly string[]): string {
  const findings = found.map(({ rule, at: { file, line }, seen, why, fix }) => {
    return { rule, file, line, seen, why, fix };
  });
  const counts = { gates: site.gates.length, internal_locations: site.internals.length };
  return `${JSON.stringify({ findings, files: files.length, ...counts })}\n`;
}

function block({ rule, at, seen, why, fix }: Found): string {
  return [
    `✗ ${plain(`${at.file}:${at.line}`)}  ${plain(seen)}  [${rule}]`,
    `    why:  ${plain(why)}`,
    `    fix:  ${plain(fix)}`,
  ].join('\n');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** A configuration may hold what a terminal would obey. */
export function plain(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
