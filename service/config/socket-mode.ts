import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

const MODES = ['0600', '0660', '0666'];

/** Who may connect to a Unix socket: its mode, as chmod(1) writes it. YAML reads 0660 as a number. */
export function readSocketMode(given: Given, faults: Faults): number | undefined {
  const digits = typeof given.value === 'number' ? String(given.value) : given.value;
  const mode = MODES.find((known) => known === digits || known.slice(1) === digits);
  return mode === undefined ? faults.add(given, `one of ${MODES.join(', ')}`) : parseInt(mode, 8);
}
