import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../dev/paths.ts';

/** A snippet's text as an operator edits it in their own copy: a piece of it replaced. */
export function edited(name: string, piece: string, by: string): string {
  const text = readFileSync(join(projectRoot, 'nginx', 'snippets', name), 'utf8');
  if (!text.includes(piece)) throw new Error(`${name} has no ${piece}`);
  return text.replace(piece, () => by);
}

/** cors.conf with these origins. */
export function corsFor(...origins: string[]): string {
  const lines = origins.map((origin) => `${origin} $http_origin;`).join('\n    ');
  return edited('cors.conf', '# https://app.example $http_origin;', lines);
}
