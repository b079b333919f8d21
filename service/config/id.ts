import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** `sha256` is no id: who writes `sha256:<64 hex>` left the id out. */
const ID = /^(?!sha256$)[A-Za-z0-9._-]{1,64}$/i;

/** What an API key or an issuer is called. */
export function readId(given: Given, faults: Faults): string | undefined {
  if (typeof given.value === 'string' && ID.test(given.value)) return given.value;
  return faults.add(given, 'an id of 1 to 64 letters, digits or . _ -, such as web');
}
