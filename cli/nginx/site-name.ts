import type { Faults } from '../../service/config/fault.ts';
import type { Given } from '../../service/config/given.ts';
import { readSite } from '../../service/config/site.ts';

/** The most that a name in the DNS has. */
const MAX_LENGTH = 253;

/** The first name of a server block, `$server_name`: more narrow than what a mount may say. */
export function readServerName(value: Given, faults: Faults): string | undefined {
  const name = readSite(value, faults);
  if (name === undefined) return undefined;
  if (name.startsWith('*.') && name.endsWith('.*')) {
    return faults.add(value, 'a name with at most one *: *.files.example or files.*');
  }
  if (name.length <= MAX_LENGTH) return name;
  return faults.add(value, `a name of at most ${MAX_LENGTH} characters`);
}
