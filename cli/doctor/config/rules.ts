import { deliveryRules } from './rules/delivery.ts';
import { gateRules } from './rules/gate.ts';
import { mountMismatch, otherVersion, tooOld } from './rules/installation.ts';
import { internalRules } from './rules/internal.ts';
import { locationRules } from './rules/locations.ts';
import { serverRules } from './rules/server.ts';
import { upstreamRules } from './rules/upstream.ts';
import type { SiteConfig } from './site.ts';
import type { Rule, Trap } from './trap.ts';

/** In the order of the damage: files that are exposed, tokens that are exposed, requests that fail. */
export const RULES: Readonly<Record<string, Rule>> = {
  'old-nginx': tooOld,
  ...locationRules,
  ...gateRules,
  ...internalRules,
  ...serverRules,
  ...deliveryRules,
  ...upstreamRules,
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
