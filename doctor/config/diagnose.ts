import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemReason, tryTo, UsageError } from '../../common/errors.ts';
import { count, escapeControls } from '../../common/terminal.ts';
import { formatFinding, harmless } from '../finding.ts';
import { Http } from './context.ts';
import { createDisk } from './disk.ts';
import {
  diskFiles,
  dumpedFiles,
  load,
  readRegular,
  type Sources,
  withoutMessages,
} from './load.ts';
import { deliveryRules } from './rules/delivery.ts';
import { exposedRules } from './rules/exposed.ts';
import { unavailable } from './rules/files.ts';
import { frontRules } from './rules/front.ts';
import { knownHole, mountMismatch, otherVersion, tooOld } from './rules/installation.ts';
import { locationRules } from './rules/locations.ts';
import { othersOf } from './rules/second-url.ts';
import { serverRules } from './rules/server.ts';
import { snippetRules } from './rules/snippets.ts';
import { unknown } from './rules/unknown.ts';
import { upstreamRules } from './rules/upstream.ts';
import {
  type Known,
  type Rule,
  type Severity,
  type SiteConfig,
  siteOf,
  snippetOf,
  type Trap,
} from './site.ts';
import { versionIn } from './version.ts';

interface DoctorOptions extends Pick<Known, 'mounts' | 'listen' | 'apiListen' | 'protect'> {
  readonly json?: boolean | undefined;
}

const STDIN = 0;

/** Why nginx rejects a configuration with the snippets. */
const CAUSES: ReadonlyArray<readonly [error: string, cause: string]> = [
  ['unknown "postern_', '. A server block lacks include postern/auth-request.conf;'],
  ['unknown log format "postern', '. include postern/http.conf; must be above this line'],
  ['host not found in upstream "postern"', '. The http block lacks upstream postern { server …; }'],
];

/**
 * Looks for the traps of docs/understand/nginx-traps.md in a configuration, and for symbolic links on this machine.
 *
 * @param name a file with the output of `nginx -VT` or `nginx -T`, or an nginx.conf; `-` is standard input
 * @throws UsageError if it is not a configuration, with file and line
 */
export function diagnoseConfig(name: string, options: DoctorOptions) {
  let text: string;
  try {
    text = readFileSync(name === '-' ? STDIN : name, 'utf8');
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${systemReason(error)}`, { cause: error });
  }
  return diagnoseText(text, name, options);
}

export function diagnoseText(printed: string, name: string, { json, ...known }: DoctorOptions) {
  const source = name === '-' ? 'standard input' : name;
  const { text, error } = withoutMessages(printed);
  // `nginx -T` prints no file if it fails.
  if (text.trim() === '') {
    const [, cause = ''] = CAUSES.find(([text]) => error?.includes(text)) ?? [];
    const why = error === undefined ? 'is empty' : `has only an error of nginx: ${error}${cause}`;
    throw new UsageError(escapeControls(`${source} ${why}`));
  }
  // Usually an error of the shell, such as "nginx: command not found".
  if (/^\s*[^#\s][^;{]*$/.test(text)) {
    const [line] = text.trim().split('\n', 1);
    throw new UsageError(escapeControls(`${source} has no nginx configuration: ${line}`));
  }
  const sources = dumpedFiles(text) ?? diskFiles(name === '-' ? name : resolve(name), text);
  const { root, files } = load(sources);
  const snippets = files.flatMap((file) => snippetOf(file, sources.read(file) ?? ''));
  // The disk is that of the configuration if it has the same nginx.conf. nginx prints an empty line after a file.
  const onDisk = tryTo(() => readRegular(sources.main))?.trim();
  const isHere = onDisk !== undefined && sources.read(sources.main)?.trim() === onDisk;
  const disk = isHere ? createDisk() : undefined;
  const version = versionIn(printed);
  const site = siteOf(new Http(root, sources.main), snippets, { ...known, version, disk });
  const found = findTraps(site, sources);
  const isOpen = ({ verdict, accepted }: Finding) =>
    verdict === 'failed' || (verdict === 'question' && accepted === undefined);
  const open = found.filter(isOpen);
  const ok = open.length === 0;
  const unchecked = notChecked(site).map(harmless);
  const [gates, internals, others] = [site.gates, site.internals, othersOf(site)].map(
    ({ length }) => length,
  ) as [number, number, number];
  if (json) {
    const findings = found.map(
      ({ verdict, rule, at: { file, line }, seen, why, fix, accepted }) => {
        const texts = { file: harmless(file), line, seen: harmless(seen), why, fix: harmless(fix) };
        return { verdict, rule, ...texts, ...(accepted && { accepted: harmless(accepted) }) };
      },
    );
    const counts = { files: files.length, gates, internal_locations: internals, others };
    return { ok, text: `${JSON.stringify({ findings, not_checked: unchecked, ...counts })}\n` };
  }
  const numbers = [
    count(files.length, 'file'),
    count(gates, 'gate'),
    count(internals, 'internal location'),
    count(others, 'other block'),
  ].join(', ');
  const paragraphs = found.map(
    ({ verdict, rule, at: { file, line }, seen, accepted, ...texts }) => {
      const saw = `${file}:${line}  ${seen}`;
      if (accepted !== undefined)
        return `${harmless(`✓ accepted: ${saw}  [${rule}]`)}\n    why:  ${harmless(accepted)}`;
      return formatFinding(rule, saw, { ...texts, sign: SIGNS[verdict] });
    },
  );
  const [first] = open.map(({ verdict }) => verdict).sort();
  const result = first
    ? `${SIGNS[first]} ${count(open.length, 'finding')} (${numbers})`
    : `✓ nothing found (${numbers})`;
  const last = `not checked: ${unchecked.join('; ')}`;
  return { ok, text: `${[...paragraphs, result, last].join('\n\n')}\n` };
}

/** In the order of their severity. */
const SIGNS: Readonly<Record<Severity, string>> = { failed: '✗', question: '?', advice: '!' };

/** Ordered by damage: exposed files, exposed tokens, failed requests. */
export const RULES: Readonly<Record<string, Rule>> = {
  'old-nginx': tooOld,
  ...exposedRules,
  ...frontRules,
  ...snippetRules,
  ...locationRules,
  ...serverRules,
  ...deliveryRules,
  ...upstreamRules,
  version: otherVersion,
  mounts: mountMismatch,
  unavailable,
  unknown,
  'known-hole': knownHole,
};

/** These cost speed or comfort, or do not show a file to anybody who has no token. */
const ADVICE = new Set([
  'known-hole',
  'old-nginx',
  'plain-http',
  'add-header',
  'keepalive',
  'failover',
  'descriptors',
]);

/** The rules about ways to a folder. */
const OF_FOLDERS = ['second-url', 'unknown'];

interface Finding extends Trap {
  readonly rule: string;
  readonly verdict: Severity;
  /** Why the operator accepts it. */
  readonly accepted?: string | undefined;
}

/** Finds each trap once, even if two server blocks include the same line, and the worst first. */
function findTraps(site: SiteConfig, sources: Sources): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const [rule, find] of Object.entries(RULES)) {
    if (site.protect && !OF_FOLDERS.includes(rule)) continue;
    for (const trap of find(site)) {
      const { verdict = ADVICE.has(rule) ? 'advice' : 'failed', at } = trap;
      const accepted =
        verdict === 'question' ? acceptance(sources.read(at.file), at.line) : undefined;
      const key = [rule, at.file, at.line, trap.seen].join('\0');
      found.set(key, { ...trap, rule, verdict, accepted });
    }
  }
  const order = Object.keys(SIGNS);
  return [...found.values()].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
}

const ACCEPT = /#\s*postern-doctor: accept\s+(\S.*?)\s*$/;

/** The reason in a comment at the end of the line, or on a line of its own above it. */
function acceptance(text = '', line: number): string | undefined {
  const lines = text.split('\n');
  const above = lines[line - 2] ?? '';
  return (ACCEPT.exec(lines[line - 1] ?? '') ??
    (/^\s*#/.test(above) ? ACCEPT.exec(above) : null))?.[1];
}

const NEVER =
  'applications, which can serve the files themselves; proxies and caches in front of this nginx, hard links, bind mounts, the default root of nginx: run `postern doctor URL` too';

/** What the doctor did not check here, and what it never checks. */
function notChecked({ disk, listen, version }: SiteConfig): string[] {
  const unknown = [
    !disk && 'symbolic links and sockets: this is not the machine of this nginx',
    !listen && 'the address of the gate (POSTERN_LISTEN)',
    !version && 'the version of nginx (nginx -VT)',
  ];
  return [...unknown.filter((one) => one !== false), NEVER];
}
