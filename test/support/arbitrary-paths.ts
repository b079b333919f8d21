import fc from 'fast-check';
import { pathError } from '../../service/paths/path.ts';

/** What a careless parser would take for something else, legal or not. */
const pointed = fc.constantFrom(
  ...['.', '..', '...', '%', '%2e', '%2F', '%25', '%00', '+', '&', '=', '?', '#', '~', ';', ':'],
  ...[' ', '"', "'", '<', '\\', '\0', '\x7f', '\u0085', '\u00a0', '\ufeff', 'é', '\u{1f600}'],
  ...['token', 'token=', '&file=', '~ps_', `ps_${'A'.repeat(32)}`, `~ps_${'A'.repeat(32)}`],
);

/** A name that a file can have, of any Unicode. */
export const legalSegment = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
    fc
      .array(fc.oneof(pointed, fc.string({ maxLength: 3 })), { minLength: 1 })
      .map((a) => a.join('')),
  )
  .map((name) => name.replaceAll('/', '_'))
  .filter((name) => pathError(`/${name}`) === undefined);

export const legalPath = fc
  .array(legalSegment, { minLength: 1, maxLength: 5 })
  .map((segments) => `/${segments.join('/')}`)
  .filter((path) => pathError(path) === undefined);
