import { address } from './checks/address.ts';
import { caches } from './checks/caches.ts';
import { deliveredHeaders } from './checks/delivered-headers.ts';
import { internal } from './checks/internal.ts';
import { methods } from './checks/methods.ts';
import { paths } from './checks/paths.ts';
import { delivery } from './checks/ranges.ts';
import { regex } from './checks/regex.ts';
import { secondDoor } from './checks/second-door.ts';
import { spoofed } from './checks/spoofed.ts';
import { tokens } from './checks/tokens.ts';
import type { Check } from './finding.ts';

/** In the order of the report. */
export const checks: readonly Check[] = [
  ...tokens,
  ...paths,
  ...internal,
  ...secondDoor,
  ...regex,
  ...spoofed,
  methods,
  ...caches,
  ...delivery,
  ...deliveredHeaders,
  ...address,
];
