import { dirname } from 'node:path';
import { version as currentVersion } from '../../../common/package.ts';
import type { Mount } from '../../../service/paths/mount.ts';
import type { Location } from '../context.ts';
import { mountsOf, type Rule, type SiteConfig, type Trap } from '../site.ts';
import { isBefore } from '../version.ts';

/** An nginx that is too old. Unknown if the input does not contain the output of `nginx -V`. */
export const tooOld: Rule = ({ http, version }) => {
  if (version === undefined || !isBefore(version.numbers, [1, 22])) return [];
  const why =
    'The snippets are tested from 1.22 on. Before 1.21.1, nginx accepts spaces and control characters in the request line; before 1.19.3, it rejects the snippets.';
  const fix = 'nginx 1.22 or newer, with the security fixes of your distribution';
  return [{ at: http, seen: version.text, why, fix }];
};

/** The holes that docs/understand/nginx-fixes.md does not exclude, all fixed in 1.30.7 and 1.31.9, and the line with which nginx has them. */
const HOLES = [
  ['CVE-2026-118899 (TLS 1.3)', /^listen .*\bssl\b/],
  ['CVE-2026-123007 and CVE-2026-123633 (HTTP/2)', /^http2 on|^listen .*\bhttp2\b/],
  ['CVE-2026-121810 (HTTP/3)', /^listen .*\bquic\b/],
  ['CVE-2026-123634 (resolver)', /^resolver /],
] as const;

/** A version of nginx.org with a known hole. A distribution can have fixed it without another number. */
export const knownHole: Rule = ({ http, servers, version }) => {
  if (version === undefined || version.product !== 'nginx') return [];
  const isMainline = version.numbers.slice(0, 2).join() === '1,31';
  if (!isBefore(version.numbers, isMainline ? [1, 31, 9] : [1, 30, 7])) return [];
  const names = ['listen', 'http2', 'resolver'];
  const lines = names.flatMap((name) => servers.flatMap((one) => one.effective(name)));
  const holes = HOLES.filter(([, word]) => lines.some(({ words }) => word.test(words)));
  const seen = `${version.text} can have ${holes.map(([hole]) => hole).join(', ')}`;
  const why =
    'A request can stop a worker or overwrite its memory. Only the package of your distribution says whether it has the fix.';
  const fix =
    'nginx 1.30.7, 1.31.9 or newer, or a package whose changelog names these numbers: docs/understand/nginx-fixes.md';
  return holes.length === 0 ? [] : [{ at: http, seen, why, fix }];
};

/** Snippets of another version than this command and the service that comes with it. */
export const otherVersion: Rule = ({ snippets }) => {
  const current = currentVersion();
  const others = snippets.filter(({ version }) => version !== current);
  return others.slice(0, 1).map(({ file, line, version = '' }) => {
    const isNewer = version.localeCompare(current, 'en', { numeric: true }) > 0;
    const more = others.length === 1 ? '' : ` and ${others.length - 1} more`;
    return {
      at: { file, line },
      seen: `this snippet${more}: ${version ? `version ${version}` : 'no version'}; Postern: ${current}`,
      why: 'The older of the two can lack a check or a feature that the other one needs.',
      fix: isNewer
        ? `upgrade Postern to ${version}`
        : `postern nginx --upgrade --out ${dirname(dirname(file))}`,
    };
  });
};

export const mountMismatch: Rule = (site) => {
  const { mounts = [], gates } = site;
  if (site.mounts === undefined || gates.length === 0) {
    return gates.slice(0, 1).map((at) => ({
      at,
      seen: `the doctor does not know the mounts, so ${at.words} can have another prefix than its mount`,
      why: 'A location with a wrong prefix looks like a location of the site that serves files without a token.',
      fix: 'pass your mounts to the doctor: --mounts /download/=/protected/',
      verdict: 'question',
    }));
  }
  return [
    ...mounts.flatMap((mount) => unserved(mount, site)),
    ...gates.flatMap((gate) => unmounted(gate, mounts)),
  ];
};

/** A mount that names no server block, or whose requests nginx does not bring to Postern and back. */
function unserved(mount: Mount, { http, servers, gates, internals }: SiteConfig) {
  const { site, prefix, internal } = mount;
  const shown = `the mount ${site === undefined ? '' : `${site}:`}${prefix}=${internal}`;
  const isOf = (server: Location) => mountsOf(server, [mount]).length > 0;
  const found = (server: Location, uri: string, those: readonly Location[]) =>
    those.some((location) => location === server.prefixMatch(uri));
  if (site !== undefined && !http.servers.some(isOf)) {
    const alias = http.servers.find(({ names }) => names.includes(site));
    return {
      at: alias ?? http,
      seen: `${shown} names ${site}, which is not the first name of a server block`,
      why: 'Postern knows a server block by its first name: it denies each request for this mount.',
      fix: `POSTERN_MOUNTS=${alias?.names[0] ?? '…'}:${prefix}=${internal}, or first in the server block of these files: server_name ${site};`,
    };
  }
  const named = servers.filter(isOf);
  const asking = named.filter((server) => found(server, prefix, gates));
  if (asking.length === 0) {
    return {
      at: pointOf(named[0], prefix) ?? http,
      seen: `${shown} has no location for ${prefix}`,
      why: 'Postern issues tokens for it, but their URLs lead to a location that does not ask the gate, or to no location.',
      fix: `in the server block: location ^~ ${prefix} { include postern/protect.conf; }`,
    };
  }
  return asking
    .filter((server) => !found(server, internal, internals))
    .map((server) => ({
      at: pointOf(server, internal) ?? server,
      seen: `${shown} has no location for ${internal}`,
      why: 'nginx redirects allowed requests to a location that serves no file, or serves it without the checks of internal.conf.',
      fix: `in the server block: location ^~ ${internal} { include postern/internal.conf; alias /…/; }`,
    }));
}

/** The location that matches the prefix now, if it is not `/`. */
function pointOf(server: Location | undefined, prefix: string) {
  const now = server?.prefixMatch(prefix);
  return now === undefined || now.path === '/' ? server : now;
}

/** A public location that no mount has. */
function unmounted(at: Location, mounts: readonly Mount[]): Trap | readonly Trap[] {
  const { path, server, words } = at;
  // For a mount with another name of the server block, there is a finding already.
  const here = mounts.filter(({ site }) => site === undefined || server.names.includes(site));
  if (here.some(({ prefix }) => prefix.startsWith(path) || path.startsWith(prefix))) return [];
  return {
    at,
    seen: `${words} has no mount on ${server.names[0] ?? 'the site'}`,
    why: 'The gate answers each request of this location with 403: Postern issues no tokens for it.',
    fix: `POSTERN_MOUNTS=${path}=/…/`,
  };
}
