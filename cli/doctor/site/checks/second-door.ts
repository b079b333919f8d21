import { type Attempt, type Check, holds, isNotTheFile, skipped } from '../finding.ts';
import type { Site } from '../site.ts';

/** Where the canary would be, if a location went out of its folder or a root held the files. */
const alias: Check = {
  id: 'alias-slash',
  title: 'an alias without its final slash',
  why: "'/prefix../' leaves the folder of the alias and opens other folders",
  fix: 'location ^~ /protected/ { alias /srv/files/; }: both must end with a slash',
  run: async (site) => {
    if (!site.mount) return skipped('the key may not issue tokens for folders');
    const prefixes = [site.mount.prefix, site.internal, '/static/', '/media/', '/assets/'];
    return holds(
      site,
      attempts(
        site,
        prefixes.map((prefix) => `${prefix?.slice(0, -1)}../`),
      ),
      isNotTheFile,
    );
  },
};

const root: Check = {
  id: 'root',
  title: 'files below a root of the site',
  why: 'the files have a second URL that needs no token',
  fix: 'keep the files outside of every root of the site: for example alias /srv/files/; and root /srv/www;',
  run: async (site) => {
    if (!site.mount) return skipped('the key may not issue tokens for folders');
    const plain = { name: `/${site.mount.rest}`, request: { target: `/${site.mount.rest}` } };
    return holds(site, [plain, ...attempts(site, ['/'])], isNotTheFile);
  },
};

function attempts({ folders, mount }: Site, before: readonly string[]): Attempt[] {
  return before.flatMap((prefix) =>
    folders.map((folder) => {
      const target = `${prefix}${folder}/${mount?.rest}`;
      return { name: target, request: { target } };
    }),
  );
}

export const secondDoor: readonly Check[] = [alias, root];
