import { addHeader, cacheControl, delivery, errorPage } from './rules/delivery.ts';
import {
  authRequest,
  missingAuthRequest,
  protect,
  serverAuthRequest,
  xAccel,
} from './rules/gate.ts';
import {
  internalExtras,
  internalProxy,
  internalRewrite,
  internalSnippet,
} from './rules/internal.ts';
import { aliasSlash, missingCaret, nested, nestedInternal, noGate } from './rules/locations.ts';
import { mountMismatch } from './rules/mounts.ts';
import { secondUrl } from './rules/second-url.ts';
import { earlyData, httpConf, limitConn, plainHttp, tokenLog } from './rules/server.ts';
import { descriptors, failover, keepalive } from './rules/upstream.ts';
import type { SiteConfig } from './site.ts';
import type { Rule, Trap } from './trap.ts';

/** In the order of the damage: files that are exposed, tokens that are exposed, requests that fail. */
export const RULES: readonly Rule[] = [
  noGate,
  missingCaret,
  nested,
  nestedInternal,
  serverAuthRequest,
  secondUrl,
  aliasSlash,
  protect,
  xAccel,
  missingAuthRequest,
  authRequest,
  delivery,
  internalSnippet,
  internalRewrite,
  internalExtras,
  internalProxy,
  earlyData,
  plainHttp,
  tokenLog,
  cacheControl,
  httpConf,
  errorPage,
  addHeader,
  limitConn,
  keepalive,
  failover,
  descriptors,
  mountMismatch,
];

export interface ReportedTrap extends Trap {
  readonly rule: string;
}

/** Each trap once: a line that two server blocks include is one line in one file. */
export function findTraps(site: SiteConfig): readonly ReportedTrap[] {
  const found = new Map<string, ReportedTrap>();
  for (const { id, find } of RULES) {
    for (const trap of find(site)) {
      const { at, seen } = trap;
      found.set([id, at.file, at.line, seen].join('\0'), { rule: id, ...trap });
    }
  }
  return [...found.values()];
}
