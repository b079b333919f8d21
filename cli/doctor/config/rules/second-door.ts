import { type Directive, isHandled } from '../directive.ts';
import type { Finding, Rule } from '../finding.ts';
import {
  effective,
  type Folder,
  folderOf,
  type Http,
  inForce,
  type Location,
  own,
  prefixMatch,
  regexRivals,
  type Scope,
  type Server,
  title,
  turnedOn,
  withNested,
} from '../scope.ts';
import type { Site } from '../site.ts';

/** Files of an internal location that another root or alias of the site serves too. */
export const secondDoor: Rule = {
  id: 'second-door',
  find: (site) => site.internals.flatMap((location) => doorsTo(location, site)),
};

function doorsTo(location: Location, { http, gates, internals }: Site): readonly Finding[] {
  const isProxy = own(location, 'proxy_pass').length > 0;
  const { own: served } = folderOf(location) ?? {};
  if (isProxy || served === undefined) return [];
  const files = served.path.replace(/\/?$/, '/');
  const isOurs = (scope: Location | Server) =>
    internals.some((one) => one === scope) || gates.some((gate) => gate.location === scope);
  const others = scopesOf(http).filter((scope) => !isOurs(scope));
  return others
    .filter((scope) => serves(scope))
    .flatMap((scope) => {
      const folder = folderOf(scope);
      const uri = folder && uriOf(files, folder);
      if (folder === undefined || uri === undefined || !canBeHad(scope, uri, others)) return [];
      const { at } = folder;
      return [
        {
          at,
          seen: `${at.name} ${at.args[0]} in ${'path' in scope ? title(scope) : 'the server block'}: files of ${title(location)} (${location.at.file}:${location.at.line}) are at ${uri}`,
          why: 'The same files have a second URL that needs no token.',
          fix: `keep the files outside of every root of the site: use another folder in alias, or add location ^~ ${uri} { return 404; }`,
        },
      ];
    });
}

function scopesOf({ servers }: Http): readonly (Location | Server)[] {
  return servers.flatMap((server) => [server, ...withNested(server.locations)]);
}

/** Whether the scope serves a URI: directly, or because the site redirects there internally. */
function canBeHad(
  scope: Location | Server,
  uri: string,
  others: readonly (Location | Server)[],
): boolean {
  if (!('modifier' in scope)) return leadsTo(scope, uri);
  const { modifier, path, server } = scope;
  const here = others.filter((other) => other === server || isIn(other, server));
  if (modifier === '@') {
    return here.some((other) => leadsTo(other, uri) && sendsTo(other, (to) => to === path));
  }
  if (inForce(scope, 'internal') === undefined) return leadsTo(scope, uri);
  // Without a variable it is one page, such as one for an error.
  return here.some((other) =>
    sendsTo(other, (to) => to.includes('$') && `${to.slice(0, to.indexOf('$'))}/`.startsWith(path)),
  );
}

function isIn(scope: Location | Server, server: Server): boolean {
  return 'server' in scope && scope.server === server;
}

function sendsTo(scope: Scope, isThere: (to: string) => boolean): boolean {
  const last = ['try_files', 'error_page'].flatMap((name) => effective(scope, name));
  return (
    last.some(({ args }) => isThere(args.at(-1) ?? '')) ||
    own(scope, 'rewrite').some(({ args }) => isThere(args[1] ?? ''))
  );
}

/** The URI under which the other folder serves the files, or some of them. */
function uriOf(files: string, { tree, own }: Folder): string | undefined {
  if (files.startsWith(tree.path)) return tree.uri + files.slice(tree.path.length);
  return own.path.startsWith(files) ? own.uri : undefined;
}

function leadsTo(scope: Location | Server, uri: string): boolean {
  const server = 'server' in scope ? scope.server : scope;
  const best = prefixMatch(server, uri) ?? prefixMatch(server, uri.slice(0, -1));
  if (!('modifier' in scope) || !scope.modifier.startsWith('~')) return (best ?? server) === scope;
  if (best?.modifier === '^~' || best?.modifier === '=') return false;
  const around = scope.parent === server ? server : { locations: [scope] };
  return regexRivals(around, uri).includes(scope);
}

/** Whether a client gets a file there without any check. */
function serves(scope: Location | Server): boolean {
  if (isHandled(scope.block)) return false;
  const rules = addressRules(scope);
  const asks = ['auth_request', 'auth_jwt'].some((name) => turnedOn(scope, name) !== undefined);
  const wantsPassword =
    turnedOn(scope, 'auth_basic') !== undefined &&
    inForce(scope, 'auth_basic_user_file') !== undefined;
  const denies = deniesAll(rules);
  if (inForce(scope, 'satisfy')?.args[0] !== 'any') return !(denies || asks || wantsPassword);
  return rules.length > 0 ? !denies : !(asks || wantsPassword);
}

/** `allow` and `deny` replace each other's inherited lines. */
function addressRules(scope: Scope): readonly Directive[] {
  const here = scope.block.filter(({ name }) => name === 'allow' || name === 'deny');
  return here.length > 0 || scope.parent === undefined ? here : addressRules(scope.parent);
}

/** The first line that matches counts, and an address that no line matches is allowed: a single `deny` of one address protects nothing. */
function deniesAll(rules: readonly Directive[]): boolean {
  return rules.find(({ args }) => args[0] === 'all')?.name === 'deny';
}
