import * as delivery from './rules/delivery.ts';
import * as gate from './rules/gate.ts';
import * as internal from './rules/internal.ts';
import * as locations from './rules/locations.ts';
import { mountMismatch } from './rules/mounts.ts';
import { tooOld } from './rules/old-nginx.ts';
import { secondUrl } from './rules/second-url.ts';
import * as server from './rules/server.ts';
import * as upstream from './rules/upstream.ts';
import { otherVersion } from './rules/versions.ts';
import type { SiteConfig } from './site.ts';
import type { Trap } from './trap.ts';

/** In the order of the damage: files that are exposed, tokens that are exposed, requests that fail. */
export const RULES: Readonly<Record<string, (site: SiteConfig) => readonly Trap[]>> = {
  'old-nginx': tooOld,
  'no-gate': locations.noGate,
  'missing-caret': locations.missingCaret,
  nested: locations.nested,
  'nested-internal': locations.nestedInternal,
  'server-auth-request': gate.serverAuthRequest,
  'second-door': secondUrl,
  'alias-slash': locations.aliasSlash,
  protect: gate.protect,
  'x-accel': gate.xAccel,
  'missing-auth-request': gate.missingAuthRequest,
  question: gate.authRequest,
  deliver: delivery.delivery,
  internal: internal.internalSnippet,
  'internal-rewrite': internal.internalRewrite,
  'internal-extras': internal.internalExtras,
  'internal-proxy': internal.internalProxy,
  'early-data': server.earlyData,
  'plain-http': server.plainHttp,
  log: server.tokenLog,
  'cache-control': delivery.cacheControl,
  'http-conf': server.httpConf,
  'error-page': delivery.errorPage,
  'add-header': delivery.addHeader,
  'limit-conn': server.limitConn,
  keepalive: upstream.keepalive,
  failover: upstream.failover,
  descriptors: upstream.descriptors,
  version: otherVersion,
  mounts: mountMismatch,
};

export interface ReportedTrap extends Trap {
  readonly rule: string;
}

/** Each trap once: a line that two server blocks include is one line in one file. */
export function findTraps(site: SiteConfig): readonly ReportedTrap[] {
  const found = new Map<string, ReportedTrap>();
  for (const [rule, find] of Object.entries(RULES)) {
    for (const trap of find(site)) {
      const { at, seen } = trap;
      found.set([rule, at.file, at.line, seen].join('\0'), { rule, ...trap });
    }
  }
  return [...found.values()];
}
