import type { Finding, Rule } from './finding.ts';
import { addHeader } from './rules/add-header.ts';
import { aliasSlash } from './rules/alias-slash.ts';
import { cacheControl } from './rules/cache-control.ts';
import { deliver } from './rules/deliver.ts';
import { descriptors } from './rules/descriptors.ts';
import { earlyData } from './rules/early-data.ts';
import { errorPage } from './rules/error-page.ts';
import { failover } from './rules/failover.ts';
import { httpConf } from './rules/http-conf.ts';
import { internal } from './rules/internal.ts';
import { internalExtras } from './rules/internal-extras.ts';
import { internalProxy } from './rules/internal-proxy.ts';
import { internalRewrite } from './rules/internal-rewrite.ts';
import { keepalive } from './rules/keepalive.ts';
import { limitConn } from './rules/limit-conn.ts';
import { log } from './rules/log.ts';
import { missingCaret } from './rules/missing-caret.ts';
import { missingQuestion } from './rules/missing-question.ts';
import { mounts } from './rules/mounts.ts';
import { nested } from './rules/nested.ts';
import { nestedInternal } from './rules/nested-internal.ts';
import { noGate } from './rules/no-gate.ts';
import { plainHttp } from './rules/plain-http.ts';
import { protect } from './rules/protect.ts';
import { question } from './rules/question.ts';
import { secondDoor } from './rules/second-door.ts';
import { serverAuthRequest } from './rules/server-auth-request.ts';
import { xAccel } from './rules/x-accel.ts';
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
