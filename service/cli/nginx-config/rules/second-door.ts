import type { Finding, Rule } from '../finding.ts';
import { type Folder, folderOf } from '../folder.ts';
import { prefixMatch, regexRivals } from '../match.ts';
import {
  effective,
  inForce,
  type Location,
  own,
  type Server,
  title,
  turnedOn,
  withNested,
} from '../scope.ts';
import type { Site } from '../site.ts';

const HANDLED_BY =
  /^(return|(proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|content_by_lua\w*|js_content|perl)$/;

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
  return http.servers
    .flatMap((server): readonly (Location | Server)[] => [server, ...withNested(server.locations)])
    .filter((scope) => !isOurs(scope) && serves(scope))
    .flatMap((scope) => {
      const folder = folderOf(scope);
      const uri = folder && uriOf(files, folder);
      if (folder === undefined || uri === undefined || !leadsTo(scope, uri)) return [];
      const { at } = folder;
      return [
        {
          at,
          seen: `${at.name} ${at.args[0]} in ${'path' in scope ? title(scope) : 'the server block'}: files of ${title(location)} (${location.at.file}:${location.at.line}) are at ${uri}`,
          why: 'It is a second door to the same files, and nobody asks for a token there.',
          mend: `files under no root of the site: another folder in alias, or location ^~ ${uri} { return 404; }`,
        },
      ];
    });
}

/** Under which URI the files of one folder, or a part of them, can be had by the other. */
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

/** Whether a client gets a file there without more ado. */
function serves(scope: Location | Server): boolean {
  if ('modifier' in scope && scope.modifier === '@') return false;
  if (scope.block.some(({ name }) => HANDLED_BY.test(name))) return false;
  if (effective(scope, 'internal').length > 0 || effective(scope, 'deny').length > 0) return false;
  return (
    turnedOn(scope, 'auth_request') === undefined &&
    (turnedOn(scope, 'auth_basic') === undefined ||
      inForce(scope, 'auth_basic_user_file') === undefined) &&
    inForce(scope, 'auth_jwt') === undefined
  );
}
