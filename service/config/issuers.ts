import { z } from 'zod';
import { isLoopback } from '../address.ts';
import { checkLimits, id, limits, scopes } from './clients.ts';
import type { Checked } from './settings.ts';
import {
  type Add,
  isPlain,
  jwksFile,
  jwtName,
  listOf,
  mapping,
  oneOf,
  PLACE,
  parsed,
  parseUrl,
  unseen,
  type Valid,
  WORD,
} from './values.ts';

const JWKS_EXAMPLE = 'such as https://login.example/jwks.json';

/** The URL must be https: over plain HTTP, an attacker could send other keys. Loopback does not leave the machine. */
const jwksUri = parsed(`an https URL, ${JWKS_EXAMPLE}`, (text, report) => {
  const url = /^https?:/.test(text) ? parseUrl(text) : undefined;
  if (url?.protocol === 'http:' && !isLoopback(url.hostname)) {
    return report(`an https URL, ${JWKS_EXAMPLE}: http is only for 127.0.0.1, [::1] or localhost`);
  }
  if (url && !isPlain(url)) report(`a URL without user name, password and #, ${JWKS_EXAMPLE}`);
  return url && text;
});

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256'] as const;

const NO_PATHS =
  'the public prefixes that its JWTs may be for, such as [/download/]: ' +
  'without them, its JWTs could be for every file';

/** `{sub}` as a whole segment. A name may contain a slash: some claims are named by a URL. */
const CLAIM = /(?<=\/)\{[A-Za-z0-9_:./-]{1,64}\}(?=\/)/g;

/** A path with `{}` for each claim, so that the name of a claim does not count as path. */
function withoutClaimNames(path: string): string {
  return path.replace(CLAIM, '{}');
}

const issuer = mapping({
  id,
  issuer: jwtName('exactly the iss claim of its JWTs: '),
  audience: jwtName('exactly the aud claim of its JWTs: '),
  jwks_uri: jwksUri.exactOptional(),
  jwks_file: jwksFile.meta(PLACE).exactOptional(),
  trusted_for: z
    .enum(
      ['downloads', 'clients'],
      'downloads, if it signs download tokens, or clients, if it calls the API',
    )
    .meta(WORD),
  algorithms: listOf('algorithms', oneOf(...ALGORITHMS))
    .min(1, 'at least one algorithm')
    .transform((names) => [...new Set(names)])
    .default([...ALGORITHMS]),
  paths: scopes(withoutClaimNames, NO_PATHS).min(1, 'at least one public prefix'),
  ...limits,
  client: id.exactOptional(),
});

export const issuerList = listOf('issuers', issuer).min(1, 'at least one issuer');

/** `iss` in Postern's own tokens, if neither the setting nor the public URL says another one. */
export const DEFAULT_ISSUER = 'postern';

export function checkIssuers({ valid, isSet, add }: Checked): void {
  const { api_keys: keys } = valid;
  // An invalid setting may be the one that is compared.
  const ownIssuer = isSet('jwt_issuer') ? valid.jwt_issuer : (valid.public_url ?? DEFAULT_ISSUER);
  // An invalid ID may be the one that an issuer names.
  const areKnown = keys ? keys.every((key) => key?.id) : !isSet('api_keys');
  const ids = new Set(keys?.flatMap((key) => key?.id ?? []));
  // Issuers with the same ID would own each other's tokens. Only one of two issuers with the same `iss` would be found.
  const [isNewId, isNewIss] = [unseen(new Set(ids)), unseen()];
  for (const [index, entry] of valid.issuers?.entries() ?? []) {
    if (entry === undefined) continue;
    const report: Add = (path, expected) => add(['issuers', index, ...path], expected);
    const { id, issuer, client } = entry;
    if (!isNewId(id)) report(['id'], 'an id that no API key and no earlier issuer has');
    if (!isNewIss(issuer)) report(['issuer'], 'an iss that no earlier issuer has');
    if (issuer !== undefined && issuer === ownIssuer) {
      report(['issuer'], "an iss other than Postern's own (POSTERN_JWT_ISSUER)");
    }
    if (client !== undefined && entry.trusted_for === 'clients') {
      report(['client'], 'no such key: each client owns the tokens that it requests');
    } else if (client !== undefined && areKnown && !ids.has(client)) {
      report(['client'], 'the id of an API key: no API key has this id');
    }
    const [hasUri, hasFile] = ['jwks_uri' in entry, 'jwks_file' in entry];
    if (hasUri && hasFile) report(['jwks_file'], 'jwks_uri or jwks_file, not both');
    if (!hasUri && !hasFile) {
      report(['jwks_uri'], `where its public keys are: jwks_uri, ${JWKS_EXAMPLE}, or jwks_file`);
    }
    checkBraces(entry, report);
    checkLimits(entry, valid, report, withoutClaimNames);
  }
}

type Issuer = Valid<z.output<typeof issuer>>;

function checkBraces({ paths = [], trusted_for: purpose }: Issuer, add: Add): void {
  for (const [index, { prefix }] of paths.entries()) {
    if (!/[{}]/.test(purpose === 'downloads' ? prefix : prefix.replace(CLAIM, ''))) continue;
    add(
      ['paths', index],
      purpose === 'downloads'
        ? 'a public prefix without braces, such as /download/: ' +
            'a segment can be a claim only if trusted_for is clients'
        : 'braces around a claim that is a whole segment, such as /download/users/{sub}/; ' +
            'its name has 1 to 64 letters, digits or _ : . / -',
    );
  }
}
