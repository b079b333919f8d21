import { z } from 'zod';
import type { ApiKey, TrustedIssuer } from '../domain/client.ts';
import { clientLimits, type GeneralLimits, LIMIT_FIELDS, limitSchemas } from './clients.ts';
import type { ConfigErrors } from './errors.ts';
import { type Complete, defined, readEntries, type SourcedValue } from './source.ts';
import * as values from './values.ts';

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;
const algorithm = z.enum(ALGORITHMS, `one of ${ALGORITHMS.join(', ')}`);

const purpose = z.enum(
  ['downloads', 'clients'],
  'downloads, if it signs download tokens, or clients, if it calls the API',
);
const algorithms = values
  .listOf('algorithms', algorithm)
  .min(1, 'at least one algorithm')
  .transform((names) => [...new Set(names)])
  .default([...ALGORITHMS]);

const NO_CLIENT = z.undefined('no such key: each client owns the tokens that it requests');

export const ISSUER_FIELDS = [
  ...['id', 'issuer', 'jwks_uri', 'jwks_file', 'audience', 'trusted_for', 'algorithms'],
  ...LIMIT_FIELDS,
  'client',
];

const ISSUERS = { what: 'issuers', fields: ISSUER_FIELDS };

interface IssuerContext extends GeneralLimits {
  /** Undefined if some of them are invalid. */
  readonly apiKeys: readonly ApiKey[] | undefined;
  /** `iss` in Postern's own tokens; undefined if it is invalid. */
  readonly ownIssuer: string | undefined;
}

/** Every trusted issuer; none if none is configured, or if there are issues. */
export function readIssuers(
  sourced: SourcedValue | undefined,
  context: IssuerContext,
  errors: ConfigErrors,
): readonly TrustedIssuer[] {
  const before = errors.count;
  const { apiKeys, ownIssuer } = context;
  const keyIds = new Set(apiKeys?.map(({ client }) => client.id));
  // Two issuers with one ID would own each other's tokens; of two with one iss only one is found.
  const schemas = {
    id: values.id.refine(
      values.unseen(new Set(keyIds)),
      'an id that no API key and no earlier issuer has',
    ),
    issuer: values
      .jwtName('exactly the iss claim of its JWTs')
      .refine(values.unseen(), 'an iss that no earlier issuer has')
      .refine(
        (iss) => iss !== ownIssuer,
        `an iss other than Postern's own, which is ${ownIssuer} (POSTERN_ISSUER)`,
      ),
    jwks_uri: values.jwksUri.optional(),
    jwks_file: values.jwksFile.optional(),
    audience: values.jwtName('exactly the aud claim of its JWTs'),
    trusted_for: purpose,
    algorithms,
  };
  const owner = values.id.refine(
    (client) => apiKeys === undefined || keyIds.has(client),
    "an API key's id; none has this one",
  );
  const limitsFor = (trustedFor: z.output<typeof purpose> | undefined) => ({
    // If the purpose is unknown, neither claims nor a client are an issue.
    ...limitSchemas(context, trustedFor === 'downloads' ? 'forbidden' : 'claims'),
    client: trustedFor === 'clients' ? NO_CLIENT : owner.optional(),
  });
  type Entry = Complete<typeof schemas & ReturnType<typeof limitsFor>>;

  const read = readEntries(sourced, ISSUERS, errors).map((entry) => {
    const about = entry.read(schemas);
    if (entry.has('jwks_uri') && entry.has('jwks_file')) {
      entry.add('jwks_file', 'jwks_uri or jwks_file, not both');
    } else if (!entry.has('jwks_uri') && !entry.has('jwks_file')) {
      const example = 'jwks_uri, such as https://login.example/jwks.json, or jwks_file';
      entry.add('jwks_uri', `where its public keys are: ${example}`);
    }
    return { ...about, ...entry.read(limitsFor(about.trusted_for)) } as Entry;
  });
  return errors.count > before ? [] : read.map(issuerOf);

  function issuerOf(entry: Entry): TrustedIssuer {
    const { id, issuer, audience, trusted_for: trustedFor, algorithms, paths, client } = entry;
    const { jwks_uri: uri, jwks_file: file = '' } = entry;
    const keys = uri === undefined ? { file } : { uri };
    const about = { id, issuer, keys, audience, trustedFor, algorithms, paths };
    return { ...about, ...clientLimits(entry), ...defined({ client }) };
  }
}
