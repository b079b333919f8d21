import { posix } from 'node:path';
import { type Directive, named } from './directive.ts';
import type { Location, Scope, Server } from './scope.ts';

/** Files, and the URI under which a scope would serve them. Both end with a slash. */
export interface Folder {
  readonly path: string;
  readonly uri: string;
  /** The line that says so. */
  readonly at: Directive;
}

/** What an `alias` or `root` in force makes of a scope; undefined where variables decide. */
export function folderOf(scope: Location | Server): Folder | undefined {
  const line = nearest(scope);
  if (line === undefined || /\$/.test(line.at.args[0] ?? '')) return undefined;
  const { at, from } = line;
  const [name = ''] = at.args;
  const isRegex = 'modifier' in scope && scope.modifier.startsWith('~');
  const uri = isRegex || !('path' in scope) ? '/' : scope.path;
  if (at.name === 'root') return { path: slashed(`${name}/${uri}`), uri: slashed(uri), at };
  if (isRegex) return undefined;
  const below = uri.slice(pathOf(from).length);
  return { path: slashed(`${name}/${below}`), uri: slashed(uri), at };
}

/** Of a location: an `alias` stands nowhere else. */
function pathOf(scope: Scope): string {
  return (scope as Location).path;
}

/** `root` and `alias` replace each other. */
function nearest(scope: Scope): { at: Directive; from: Scope } | undefined {
  const [at] = [...named(scope.block, 'alias'), ...named(scope.block, 'root')];
  if (at !== undefined) return { at, from: scope };
  return scope.parent && nearest(scope.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
