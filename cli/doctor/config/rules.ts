import type { Finding, Rule } from './finding.ts';
import { addHeader, cacheControl, deliver, errorPage } from './rules/delivery.ts';
import { missingQuestion, protect, question, serverAuthRequest, xAccel } from './rules/gate.ts';
import { internal, internalExtras, internalProxy, internalRewrite } from './rules/internal.ts';
import { aliasSlash, missingCaret, nested, nestedInternal, noGate } from './rules/locations.ts';
import { log } from './rules/log.ts';
import { mounts } from './rules/mounts.ts';
import { secondDoor } from './rules/second-door.ts';
import { earlyData, httpConf, limitConn, plainHttp } from './rules/server.ts';
import { descriptors, failover, keepalive } from './rules/upstream.ts';
import type { Site } from './site.ts';

/** In the order of what they let out: files, then tokens, then what is merely broken. */
export const RULES: readonly Rule[] = [
  noGate,
  missingCaret,
  nested,
  nestedInternal,
  serverAuthRequest,
  secondDoor,
  aliasSlash,
  protect,
  xAccel,
  missingQuestion,
  question,
  deliver,
  internal,
  internalRewrite,
  internalExtras,
  internalProxy,
  earlyData,
  plainHttp,
  log,
  cacheControl,
  httpConf,
  errorPage,
  addHeader,
  limitConn,
  keepalive,
  failover,
  descriptors,
  mounts,
];

export interface Found extends Finding {
  readonly rule: string;
}

/** Every trap once: what two server blocks include is one line in one file. */
export function findTraps(site: Site): readonly Found[] {
  const found = new Map<string, Found>();
  for (const { id, find } of RULES) {
    for (const finding of find(site)) {
      const { at, seen } = finding;
      found.set([id, at.file, at.line, seen].join('\0'), { rule: id, ...finding });
    }
  }
  return [...found.values()];
}

/** What was found, for a person. */
export function report(found: readonly Found[], site: Site, files: readonly string[]): string {
  const read = `${count(files.length, 'file')}, ${count(site.gates.length, 'gate')}, ${count(site.internals.length, 'internal location')}`;
  if (found.length === 0) return `✓ nothing found (${read})\n`;
  return `${[...found.map(block), `${count(found.length, 'finding')} (${read})`].join('\n\n')}\n`;
}

/** The same for a program, in one line. */
export function reportJson(found: readonly Found[], site: Site, files: readonly string[]): string {
  const findings = found.map(({ rule, at: { file, line }, seen, why, fix }) => {
    return { rule, file, line, seen, why, fix };
  });
  const counts = { gates: site.gates.length, internal_locations: site.internals.length };
  return `${JSON.stringify({ findings, files: files.length, ...counts })}\n`;
}

function block({ rule, at, seen, why, fix }: Found): string {
  return [
    `✗ ${plain(`${at.file}:${at.line}`)}  ${plain(seen)}  [${rule}]`,
    `    why:  ${plain(why)}`,
    `    fix:  ${plain(fix)}`,
  ].join('\n');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** A configuration may hold what a terminal would obey. */
export function plain(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
