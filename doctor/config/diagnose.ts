import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemReason, tryTo, UsageError } from '../../common/errors.ts';
import { count, escapeControls } from '../../common/terminal.ts';
import { formatFinding, harmless } from '../finding.ts';
import { Http } from './context.ts';
import { createDisk } from './disk.ts';
import { diskFiles, dumpedFiles, load, readRegular, withoutMessages } from './load.ts';
import { deliveryRules } from './rules/delivery.ts';
import { frontRules, unclearFronts } from './rules/front.ts';
import { mountMismatch, otherVersion, tooOld } from './rules/installation.ts';
import { locationRules } from './rules/locations.ts';
import { othersOf, unclear } from './rules/second-url.ts';
import { serverRules, unclearLogs } from './rules/server.ts';
import { snippetRules } from './rules/snippets.ts';
import { upstreamRules } from './rules/upstream.ts';
import { type Known, type Rule, type SiteConfig, siteOf, snippetOf, type Trap } from './site.ts';
import { versionIn } from './version.ts';

interface DoctorOptions extends Pick<Known, 'mounts' | 'listen' | 'apiListen'> {
  readonly json?: boolean | undefined;
}

const STDIN = 0;

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
    const why = error === undefined ? 'is empty' : `has only an error of nginx: ${error}`;
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
  const traps = findTraps(site);
  const ok = traps.length === 0;
  const { here, all } = notChecked(site);
  const unchecked = all.map(harmless);
  const [gates, internals] = [site.gates.length, site.internals.length];
  if (json) {
    const findings = traps.map(({ rule, at: { file, line }, seen, why, fix }) => {
      return { rule, file: harmless(file), line, seen: harmless(seen), why, fix: harmless(fix) };
    });
    const counts = { files: files.length, gates, internal_locations: internals };
    return { ok, text: `${JSON.stringify({ findings, not_checked: unchecked, ...counts })}\n` };
  }
  const numbers = `${count(files.length, 'file')}, ${count(gates, 'gate')}, ${count(internals, 'internal location')}`;
  const paragraphs = traps.map(({ rule, at: { file, line }, seen, ...texts }) =>
    formatFinding(rule, `${file}:${line}  ${seen}`, texts),
  );
  const nothing = here.length === 0 ? '✓ nothing found' : '– nothing found, but see below';
  const result = `${ok ? nothing : count(traps.length, 'finding')} (${numbers})`;
  const last = `not checked: ${unchecked.join('; ')}`;
  return { ok, text: `${[...paragraphs, result, last].join('\n\n')}\n` };
}

/** Ordered by damage: exposed files, exposed tokens, failed requests. */
export const RULES: Readonly<Record<string, Rule>> = {
  'old-nginx': tooOld,
  ...frontRules,
  ...snippetRules,
  ...locationRules,
  ...serverRules,
  ...deliveryRules,
  ...upstreamRules,
  version: otherVersion,
  mounts: mountMismatch,
};

/** Finds each trap once, even if two server blocks include the same line. */
function findTraps(site: SiteConfig) {
  const found = new Map<string, Trap & { readonly rule: string }>();
  for (const [rule, find] of Object.entries(RULES)) {
    for (const trap of find(site)) {
      found.set([rule, trap.at.file, trap.at.line, trap.seen].join('\0'), { rule, ...trap });
    }
  }
  return [...found.values()];
}

const NEVER =
  'proxies and caches in front of this nginx, hard links, bind mounts, the default root of nginx: run `postern doctor URL` too';

/** The parts of this site that the doctor could not check, and what it never checks. */
function notChecked(site: SiteConfig): { readonly here: string[]; readonly all: string[] } {
  const { disk, internals, mounts, listen, version } = site;
  const folders = internals.flatMap((one) => one.firstWord('alias') ?? []);
  const absent = folders.filter((folder) => disk && disk.real(folder) === undefined);
  const here = new Set([
    ...othersOf(site).flatMap(unclear),
    ...unclearFronts(site),
    ...unclearLogs(site),
    ...absent.map((folder) => `symbolic links to ${folder}, which this user does not find`),
    ...(disk?.unseen ?? ['symbolic links: this is not the machine of this nginx']),
  ]);
  const unknown = [
    !mounts && 'the mounts (--mounts)',
    !listen && 'the address of the gate (POSTERN_LISTEN)',
    !version && 'the version of nginx (nginx -VT)',
  ];
  return { here: [...here], all: [...here, ...unknown.filter((one) => one !== false), NEVER] };
}
