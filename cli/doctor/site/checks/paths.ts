import {
  type Attempt,
  type Check,
  isDenial,
  isNotTheFile,
  NO_FOLDER_TOKENS,
  runAttempts,
  skipped,
} from '../check.ts';
import { bearer, missingFile, withToken } from '../site.ts';

const SCOPE =
  'include postern/protect.conf and postern/internal.conf, which deliver only what the gate allowed, and send X-Original-URI $request_uri to the gate';

const other: Check = {
  id: 'other-path',
  title: 'a token for another file',
  why: 'a token for one file opens other files',
  fix: SCOPE,
  run: async (site) => {
    const there = missingFile(site);
    const { canary } = site;
    const forOther = (await site.issue({ path: there.path })).token;
    const { token: forCanary, target } = await site.issue();
    // First a correct request: a cache may store its response for another path.
    await site.ask({ target });
    const attempts: Attempt[] = [
      { name: 'on the canary', target: withToken(canary.target, forOther) },
      { name: 'on it, header', target: canary.target, headers: bearer(forOther) },
      { name: "the canary's on another", target: withToken(there.target, forCanary) },
      {
        name: 'on its name with more',
        target: withToken(`${canary.target}x`, forCanary),
      },
    ];
    return runAttempts(site, attempts, isDenial);
  },
};

/** Ways from a folder up to its parent. */
const UPWARDS: Readonly<Record<string, string>> = {
  '..': '../',
  '%2e%2e': '%2e%2e/',
  '%2E.': '%2E./',
  '..%2f': '..%2f',
  '%2e%2e%2f': '%2e%2e%2f',
  '..\\': '..\\',
  '..%5c': '..%5c',
  '%252e%252e': '%252e%252e/',
  '..%252f': '..%252f',
  '%252e%252e%252f': '%252e%252e%252f',
  '%25252e': '%25252e%25252e/',
  '..;': '..;/',
  '..%00': '..%00/',
  '%c0%ae': '%c0%ae%c0%ae/',
  './..': './../',
  '//..': '/../',
};

const traversal: Check = {
  id: 'traversal',
  title: 'traversal: plain, encoded, encoded twice',
  why: "a token for one folder opens other folders: a server resolves '..' after the decision",
  fix: 'do not decode the path after the gate: use alias, or proxy_pass without $uri; keep merge_slashes and normalisation at their defaults',
  run: async (site) => {
    const { mount, mark, canary } = site;
    if (!mount) return skipped(NO_FOLDER_TOKENS);
    const folder = canary.path.slice(0, canary.path.lastIndexOf('/') + 1) + mark;
    const { token } = await site.issue({ prefix: `${folder}/` });
    const cut = mount.rest.lastIndexOf('/') + 1;
    const [above, name] = [mount.rest.slice(0, cut), mount.rest.slice(cut)];
    const attempts = Object.entries(UPWARDS).flatMap(([spelt, up]): Attempt[] => {
      const below = `${above}${mark}/${up}${name}`;
      return [
        { name: spelt, target: `${mount.prefix}~${token}/${below}` },
        { name: `${spelt} ?token`, target: withToken(mount.prefix + below, token) },
      ];
    });
    return runAttempts(site, attempts, isNotTheFile);
  },
};

const two: Check = {
  id: 'two-tokens',
  title: 'two tokens in a URL',
  why: 'nginx and the gate may use different tokens',
  fix: 'proxy_set_header X-Original-URI $request_uri; complete and unchanged',
  run: async (site) => {
    const good = (await site.issue()).token;
    const { target } = site.canary;
    const bad = (await site.issue({ path: missingFile(site).path })).token;
    const attempts = Object.entries({ 'good, bad': [good, bad], 'bad, good': [bad, good] }).map(
      ([name, [first = '', second = '']]): Attempt => ({
        name,
        target: withToken(withToken(target, first), second),
      }),
    );
    return runAttempts(site, attempts, isDenial);
  },
};

export const pathChecks: readonly Check[] = [other, traversal, two];
