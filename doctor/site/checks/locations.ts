import { failed, NO_FOLDER_TOKENS, ok, skipped, untested } from '../attempts.ts';
import { headerOf, type Request } from '../http.ts';
import { type Checks, type TestedSite, withToken } from '../tested-site.ts';

const NEEDS_PREFIX = 'needs the internal prefix: --internal /protected/';

/** The canary's folder, with a token for its parent; or the reason why no token can be issued. */
async function folderBelow({ mount, canary, api }: TestedSite) {
  const parts = mount?.rest.split('/') ?? [];
  if (!mount || parts.length < 2) {
    return 'the canary is not in a folder below the mount: --path /download/postern-doctor/canary.txt';
  }
  const above = canary.path.split('/').slice(0, -2).join('/');
  const issued = await api.issueIfMay({ prefix: `${above}/` });
  if (!issued) return 'the key may not issue tokens for the folder above';
  return { target: `${mount.prefix}~${issued.token}/${parts.slice(0, -1).join('/')}` };
}

/** The canary's path in each folder that could contain the files, after each prefix. */
function inFolders({ folders, mount }: TestedSite, prefixes: readonly string[]): string[] {
  return prefixes.flatMap((prefix) => folders.map((folder) => `${prefix}${folder}/${mount?.rest}`));
}

function byTarget(targets: readonly string[]) {
  return Object.fromEntries(targets.map((target) => [target, { target }]));
}

const FIX =
  'use location ^~ /download/ and location ^~ /protected/: without ^~ a regex location takes precedence over both';

/** Locations that serve the files without asking the gate. */
export const locationChecks: Checks = {
  'internal-prefix': {
    title: 'direct requests for the internal prefix',
    why: 'a client can download the file without asking the gate',
    fix: 'location ^~ /protected/ { include postern/internal.conf; … }, which contains internal;',
    run: async (site) => {
      const { internal, mount } = site;
      if (!internal || !mount) return skipped(NEEDS_PREFIX);
      const { token } = await site.issue();
      const inner = internal + mount.rest;
      // internal.conf writes this code; a location that is not there does not.
      const plain = await site.answerTo({ target: inner });
      if (
        typeof plain !== 'string' &&
        plain.status === 404 &&
        !plain.body.includes('"not_found"')
      ) {
        const saw = `no internal location answers at ${internal}`;
        return untested(`${saw}: the prefix is wrong, or a front does not pass it on`);
      }
      const spellings = {
        plain: inner,
        'with a token': withToken(inner, token),
        '//': `/${inner}`,
        '// within': `${internal.slice(0, -1)}//${mount.rest}`,
        '/./': `/.${inner}`,
        '/x/..': `/x/..${inner}`,
        'up from the mount': `${mount.prefix}..${inner}`,
        'encoded up': `${mount.prefix}%2e%2e${inner}`,
        percent: `/%${Buffer.from(inner.slice(1, 2)).toString('hex')}${inner.slice(2)}`,
        capitals: internal.toUpperCase() + mount.rest,
        absolute: `http://localhost${inner}`,
      };
      const attempts: Record<string, Request> = {};
      for (const [name, target] of Object.entries(spellings)) {
        attempts[name] = { target };
        attempts[`${name}, a range`] = { target, headers: { Range: 'bytes=0-31' } };
      }
      return site.attempt(attempts, site.isNotTheFile);
    },
  },
  'folder-redirect': {
    title: 'a folder without its final slash',
    why: 'the redirect shows the internal prefix, or sends the token to another address',
    fix: 'try_files $uri =404; in the internal location, as in postern/internal.conf',
    run: async (site) => {
      const folder = await folderBelow(site);
      if (typeof folder === 'string') return skipped(folder);
      const answer = await site.ask({ target: folder.target });
      // A 503 is no sign: postern/internal-proxy.conf turns the redirect of a storage into one.
      if (answer.status === 429) return untested('429');
      const location = headerOf(answer, 'location');
      return location === undefined
        ? ok(String(answer.status))
        : failed(`${answer.status}, Location: ${location}`);
    },
  },
  'alias-slash': {
    title: 'an alias without its final slash',
    why: "'/prefix../' leaves the folder of the alias and opens other folders",
    fix: 'location ^~ /protected/ { alias /srv/files/; }: both must end with a slash',
    run: async (site) => {
      if (!site.mount) return skipped(NO_FOLDER_TOKENS);
      const prefixes = [site.mount.prefix, site.internal ?? [], '/static/', '/media/', '/assets/'];
      const upwards = prefixes.flat().map((prefix) => `${prefix.slice(0, -1)}../`);
      return site.attempt(byTarget(inFolders(site, upwards)), site.isNotTheFile);
    },
  },
  root: {
    title: 'files below a root of the site',
    why: 'the files have a second URL that needs no token',
    fix: 'keep the files outside of every root of the site: for example alias /srv/files/; and root /srv/www;',
    run: async (site) => {
      if (!site.mount) return skipped(NO_FOLDER_TOKENS);
      const targets = [`/${site.mount.rest}`, ...inFolders(site, ['/'])];
      return site.attempt(byTarget(targets), site.isNotTheFile);
    },
  },
  'regex-location': {
    title: 'regex locations that override the public location',
    why: 'nginx serves files with these names without asking the gate',
    fix: FIX,
    run: (site) => {
      const attempts = site.extensions.map((ending) => [ending, site.missingFile(ending)]);
      return site.attempt(Object.fromEntries(attempts), site.isGateDenial);
    },
  },
};
