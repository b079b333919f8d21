import { posix } from 'node:path';
import { type Directive, named } from './directive.ts';
import type { Location, Scope, Server } from './scope.ts';

/** A folder or a file, and the URI under which it is served. */
export interface Served {
  readonly path: string;
  readonly uri: string;
}

/** What an `alias` or `root` in force makes of a scope. */
export interface Folder {
  /** The line that says so. */
  readonly at: Directive;
  /** The whole tree that it opens, whether or not its URIs lead here. */
  readonly tree: Served;
  /** The folder of the scope's own URI. */
  readonly own: Served;
}

/** Undefined where there is none, or variables decide. */
export function folderOf(scope: Location | Server): Folder | undefined {
  const line = nearest(scope);
  const name = line?.at.args[0];
  if (line === undefined || name === undefined || name.includes('$')) return undefined;
  const { at, from } = line;
  const isRegex = 'modifier' in scope && scope.modifier.startsWith('~');
  const isNamed = 'modifier' in scope && scope.modifier === '@';
  const uri = isRegex || isNamed || !('path' in scope) ? '/' : scope.path;
  if (at.name === 'root') {
    const tree = { path: slashed(name), uri: '/' };
    return { at, tree, own: { path: posix.normalize(`${name}/${uri}`), uri } };
  }
  // The captures of a regex are variables too, and `nginx -t` has not checked whether an alias is allowed here.
  if (isRegex || !('path' in from)) return undefined;
  const { path } = from as Location;
  return {
    at,
    tree: { path: slashed(name), uri: slashed(path) },
    own: { path: posix.normalize(`${name}${uri.slice(path.length)}`), uri },
  };
}

/** `root` and `alias` replace each other. Only locations can have an alias. */
function nearest(scope: Scope): { at: Directive; from: Scope } | undefined {
  const [at] = [...named(scope.block, 'alias'), ...named(scope.block, 'root')];
  if (at !== undefined) return { at, from: scope };
  return scope.parent && nearest(scope.parent);
}

function slashed(path: string): string {
  return posix.normalize(`${path}/`);
}
