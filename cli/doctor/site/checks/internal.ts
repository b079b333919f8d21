import {
  type Attempt,
  answerTo,
  type Check,
  fault,
  holds,
  isNotTheFile,
  ok,
  skipped,
  untested,
} from '../finding.ts';
import { headerOf } from '../raw-http.ts';
import { type Site, withToken } from '../site.ts';

export const NEEDS_PREFIX = 'needs the internal prefix: --internal /protected/';

const direct: Check = {
  id: 'internal-prefix',
  title: 'direct requests for the internal prefix',
  why: 'a client can download the file without asking the gate',
  fix: 'location ^~ /protected/ { include postern/internal.conf; … }, which contains internal;',
  run: async (site) => {
    const { internal, mount } = site;
    if (!internal || !mount) return skipped(NEEDS_PREFIX);
    const { token } = await site.issue();
    const inner = internal + mount.rest;
    const spellings: Readonly<Record<string, string>> = {
      plain: inner,
      'with a token': withToken(inner, token),
      '//': `/${inner}`,
      '// within': `${internal.slice(0, -1)}//${mount.rest}`,
      '/./': `/.${inner}`,
      '/x/..': `/x/..${inner}`,
      'up from the mount': `${mount.prefix}..${inner}`,
      'encoded up': `${mount.prefix}%2e%2e${inner}`,
      percent: `/%${hex(internal[1] ?? '')}${inner.slice(2)}`,
      capitals: internal.toUpperCase() + mount.rest,
      absolute: `http://localhost${inner}`,
    };
    const attempts = Object.entries(spellings).flatMap(([name, target]): Attempt[] => [
      { name, request: { target } },
      { name: `${name}, a range`, request: { target, headers: { Range: 'bytes=0-31' } } },
    ]);
    return holds(site, attempts, isNotTheFile);
  },
};

function hex(character: string): string {
  return character.charCodeAt(0).toString(16);
}

const redirect: Check = {
  id: 'folder-redirect',
  title: 'a folder without its final slash',
  why: 'the redirect shows the internal prefix',
  fix: 'try_files $uri =404; in the internal location, as in postern/internal.conf',
  run: async (site) => {
    const folder = await folderBelow(site);
    if (typeof folder === 'string') return skipped(folder);
    const answer = await answerTo(site, { target: folder.target });
    if (typeof answer === 'string') return untested(answer);
    // Not a 503: postern/internal-proxy.conf makes that of a storage's redirect.
    if (answer.status === 429) return untested('429');
    const location = headerOf(answer, 'location');
    return location === undefined
      ? ok(String(answer.status))
      : fault(`${answer.status}, Location: ${location}`);
  },
};

/** The canary's folder, with a token for the one above it; or why it cannot be asked for. */
async function folderBelow({ mount, canary, api }: Site): Promise<{ target: string } | string> {
  const parts = mount?.rest.split('/') ?? [];
  if (!mount || parts.length < 2) {
    return 'the canary is not in a folder below the mount: --path /download/postern-doctor/canary.txt';
  }
  const above = canary.path.split('/').slice(0, -2).join('/');
  const issued = await api.issueIfMay({ prefix: `${above}/` });
  if (!issued) return 'the key may not issue tokens for the folder above';
  return { target: `${mount.prefix}~${issued.token}/${parts.slice(0, -1).join('/')}` };
}

export const internal: readonly Check[] = [direct, redirect];
