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
import type { Trap } from './trap.ts';

/** In the order of the damage: files that are exposed, tokens that are exposed, requests that fail. */
export const RULES: Readonly<Record<string, (site: SiteConfig) => readonly Trap[]>> = {
  'no-gate': noGate,
  'missing-caret': missingCaret,
  nested: nested,
  'nested-internal': nestedInternal,
  'server-auth-request': serverAuthRequest,
  'second-door': secondUrl,
  'alias-slash': aliasSlash,
  protect: protect,
  'x-accel': xAccel,
  'missing-auth-request': missingAuthRequest,
  question: authRequest,
  deliver: delivery,
  internal: internalSnippet,
  'internal-rewrite': internalRewrite,
  'internal-extras': internalExtras,
  'internal-proxy': internalProxy,
  'early-data': earlyData,
  'plain-http': plainHttp,
  log: tokenLog,
  'cache-control': cacheControl,
  'http-conf': httpConf,
  'error-page': errorPage,
  'add-header': addHeader,
  'limit-conn': limitConn,
  keepalive: keepalive,
  failover: failover,
  descriptors: descriptors,
  mounts: mountMismatch,
};

export interface ReportedTrap extends Trap {
  readonly rule: string;
}

/** Each trap once: a line that two server blocks include is one line in one file. */
export function findTraps(site: SiteConfig): readonly ReportedTrap[] {
  const found = new Map<string, ReportedTrap>();
  for (const [id, find] of Object.entries(RULES)) {
    for (const trap of find(site)) {
      const { at, seen } = trap;
      found.set([id, at.file, at.line, seen].join('\0'), { rule: id, ...trap });
    }
  }
  return [...found.values()];
}
