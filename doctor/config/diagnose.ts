import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemReason, tryTo, UsageError } from '../../common/errors.ts';
import { count, escapeControls } from '../../common/terminal.ts';
import { escaped, formatFinding, reportLine } from '../finding.ts';
import { createDisk } from './disk.ts';
import { examine, type Finding } from './examine.ts';
import { diskFiles, dumpedFiles, readRegular, withoutMessages } from './load.ts';
import { nginxOf } from './proof/nginx.ts';
import { othersOf } from './rules/hidden-ways.ts';
import type { Known, Severity, SiteConfig } from './site.ts';
import { versionIn } from './version.ts';

interface DoctorOptions
  extends Pick<Known, 'mounts' | 'listen' | 'apiListen' | 'protect' | 'nginx'> {
  readonly json?: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv;
}

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
    text = readFileSync(name === '-' ? 0 : name, 'utf8');
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${systemReason(error)}`, { cause: error });
  }
  return diagnoseText(text, name, options);
}

export async function diagnoseText(
  printed: string,
  name: string,
  { json, env = {}, ...known }: DoctorOptions,
) {
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
  // The disk is that of the configuration if it has the same nginx.conf. nginx prints an empty line after a file.
  const onDisk = tryTo(() => readRegular(sources.main))?.trim();
  const isHere = onDisk !== undefined && sources.read(sources.main)?.trim() === onDisk;
  const disk = isHere ? createDisk() : undefined;
  const { site, files, findings, asked } = await examine(sources, {
    ...known,
    disk,
    version: versionIn(printed),
    nginx: known.nginx === undefined ? nginxOf(printed, env) : known.nginx,
  });
  const open = findings.filter(
    ({ verdict, accepted }) =>
      verdict === 'failed' || (verdict === 'question' && accepted === undefined),
  );
  const ok = open.length === 0;
  const unchecked = notChecked(site, asked.unseen).map(escaped);
  const unproven = asked.unproven && escaped(`not proven: ${asked.unproven}`);
  const counts = {
    files: files.length,
    gates: site.gates.length,
    internal_locations: site.internals.length,
    others: othersOf(site).length,
    requests: asked.requests,
  };
  if (json) {
    const report = { unproven, findings: findings.map(asJson), not_checked: unchecked, ...counts };
    return { ok, text: reportLine(report) };
  }
  const numbers = [
    count(counts.files, 'file'),
    count(counts.gates, 'gate'),
    count(counts.internal_locations, 'internal location'),
    count(counts.others, 'other block'),
    `${count(counts.requests, 'request')} to a copy of this nginx`,
  ].join(', ');
  const [first] = open;
  const advices = findings.filter(({ verdict }) => verdict === 'advice').length;
  const result = first
    ? `${SIGNS[first.verdict]} ${count(open.length, 'finding')} (${numbers})`
    : `✓ nothing found${advices === 0 ? '' : ` except ${count(advices, 'recommendation')}`} (${numbers})`;
  const last = `not checked: ${unchecked.join('; ')}`;
  const parts = [...(unproven ? [unproven] : []), ...findings.map(asText), result, last];
  return { ok, text: `${parts.join('\n\n')}\n` };
}

const SIGNS: Readonly<Record<Severity, string>> = { failed: '✗', question: '?', advice: '!' };

function asText({ verdict, rule, at, seen, accepted, ...texts }: Finding): string {
  const saw = `${at.file}:${at.line}  ${seen}`;
  if (accepted === undefined) return formatFinding(rule, saw, { ...texts, sign: SIGNS[verdict] });
  return `${escaped(`✓ accepted: ${saw}  [${rule}]`)}\n    why:  ${escaped(accepted)}`;
}

function asJson({ verdict, rule, at: { file, line }, seen, why, fix, proof, accepted }: Finding) {
  return { verdict, rule, file, line, seen, why, fix, proof, accepted };
}

const NEVER =
  'applications, which can serve the files themselves; proxies and caches in front of this nginx, copies of the files, hard links, bind mounts';

/** What the doctor did not check here, and what it never checks. */
function notChecked({ disk, listen, version, protect }: SiteConfig, unseen: readonly string[]) {
  const unknown = [
    !disk && 'symbolic links and sockets: this is not the machine of this nginx',
    !listen && !protect && 'the address of the gate (POSTERN_LISTEN)',
    !version && 'the version of nginx, and links in its own folder (nginx -VT)',
    ...unseen,
  ];
  const last = protect ? NEVER : `${NEVER}: run \`postern doctor URL\` too`;
  return [...unknown.filter((one) => one !== false), last];
}
