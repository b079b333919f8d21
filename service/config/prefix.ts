import { prefixError } from '../domain/path.ts';
import { isToken } from '../domain/token.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';

/** A folder's path in decoded form. `what` and `example` are for the fault. */
export function readPrefix(
  given: Given,
  what: string,
  example: string,
  faults: Faults,
): string | undefined {
  if (typeof given.value !== 'string') return faults.add(given, `${what}, such as ${example}`);
  const fault = prefixError(given.value);
  if (fault === undefined) return given.value;
  return faults.add(given, `${what}, such as ${example}: it ${fault}`);
}

export function readPublicPrefix(given: Given, faults: Faults): string | undefined {
  const prefix = readPrefix(given, 'a public prefix', '/download/', faults);
  if (prefix === '/') {
    return faults.add(
      given,
      'a folder such as /download/: every internal prefix lies under /, ' +
        'so nginx would come back to the gate instead of sending the file',
    );
  }
  if (prefix?.split('/').some((segment) => segment[0] === '~' && isToken(segment.slice(1)))) {
    return faults.add(
      given,
      'a public prefix without ~ and a token in it: that is how requests carry theirs',
    );
  }
  return prefix;
}

export function readInternalPrefix(given: Given, faults: Faults): string | undefined {
  const prefix = readPrefix(given, 'an internal prefix', '/protected/', faults);
  if (prefix !== '/') return prefix;
  return faults.add(
    given,
    'a folder such as /protected/: every public prefix lies under /, ' +
      'so nginx would come back to the gate instead of sending the file',
  );
}
