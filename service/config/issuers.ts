import type { ApiKey } from '../domain/client.ts';
import { readList } from './entry.ts';
import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { type ReadIssuer, readIssuer, type TrustedIssuer } from './issuer.ts';
import type { Bounds } from './limits.ts';

export interface Surroundings extends Bounds {
  /** Undefined where some of them are at fault. */
  readonly apiKeys: readonly ApiKey[] | undefined;
  /** `iss` in Postern's own tokens. */
  readonly own: string;
}

/** Every trusted issuer; none where none is configured. */
export function readIssuers(
  given: Given | undefined,
  around: Surroundings,
  faults: Faults,
): readonly TrustedIssuer[] {
  const read = readList(given, 'issuers', faults).flatMap(
    (entry) => readIssuer(entry, around, faults) ?? [],
  );
  faultTwins(read, around, faults);
  faultOwners(read, around, faults);
  return read.map(({ trusted }) => trusted);
}

/** Of two with one id each would own the other's tokens; of one `iss` only one would be found. */
function faultTwins(
  read: readonly ReadIssuer[],
  { apiKeys, own }: Surroundings,
  faults: Faults,
): void {
  const ids = new Set(apiKeys?.map(({ client }) => client.id));
  const names = new Set<string>();
  for (const { trusted, id, issuer } of read) {
    if (ids.has(trusted.id)) faults.add(id, 'an id that no API key and no earlier issuer has');
    if (names.has(trusted.issuer)) faults.add(issuer, 'an iss that no earlier issuer has');
    if (trusted.issuer === own) {
      const expected = `another iss than Postern's own: ${own} is what it signs as (POSTERN_ISSUER)`;
      faults.add(issuer, expected);
    }
    ids.add(trusted.id);
    names.add(trusted.issuer);
  }
}

function faultOwners(read: readonly ReadIssuer[], { apiKeys }: Surroundings, faults: Faults): void {
  const ids = apiKeys?.map(({ client }) => client.id);
  for (const { trusted, client } of read) {
    if (client === undefined || trusted.client === undefined || ids === undefined) continue;
    if (!ids.includes(trusted.client)) faults.add(client, "an API key's id; none has this one");
  }
}
