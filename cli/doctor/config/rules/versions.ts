import { dirname } from 'node:path';
import { version } from '../../../package.ts';
import type { SiteConfig, SnippetFile } from '../site.ts';
import type { Trap } from '../trap.ts';

/** Snippets of another version than this command and the service that comes with it. */
export function otherVersion({ snippets }: SiteConfig): readonly Trap[] {
  const current = version();
  const others = snippets.filter((snippet) => snippet.version !== current);
  const byVersion = new Map<string | undefined, SnippetFile[]>();
  for (const snippet of others) {
    byVersion.set(snippet.version, [...(byVersion.get(snippet.version) ?? []), snippet]);
  }
  return [...byVersion.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const { file, line, version: found = '' } = first;
    const which = more.length === 0 ? 'this snippet' : `this snippet and ${more.length} more`;
    const isNewer = found.localeCompare(current, 'en', { numeric: true }) > 0;
    const seen = `${which}: ${found ? `version ${found}` : 'no version'}; Postern: ${current}`;
    if (isNewer) {
      const why = 'This Postern is older than the snippets, which can need what it does not have.';
      return { at: { file, line }, seen, why, fix: `upgrade Postern to ${found}` };
    }
    const fix = `postern nginx --upgrade --out ${dirname(dirname(file))}`;
    const why = 'The snippets are older than this Postern: they can lack a check or a feature.';
    return { at: { file, line }, seen, why, fix };
  });
}
