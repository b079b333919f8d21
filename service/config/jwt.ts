import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import { readPath } from './key-place.ts';
import type { Settings } from './names.ts';
import { readWhole } from './whole.ts';

const FORMATS = ['opaque', 'jwt'] as const;

export interface JwtSettings {
  /** Of tokens whose request does not say. */
  readonly format: (typeof FORMATS)[number];
  /** The path of a JWKS file with Postern's own keys: the first signs, all verify. */
  readonly jwtKeys?: string;
  /** `iss` in Postern's own tokens. */
  readonly issuer: string;
  /** Seconds by which clocks may differ. */
  readonly leeway: number;
}

export interface JwtDefaults {
  /** The issuer, where none is set. */
  readonly publicUrl: string | undefined;
  /** False where a file could not be read, and the keys may stand in it. */
  readonly isComplete: boolean;
}

export function readJwt(
  settings: Settings,
  { publicUrl, isComplete }: JwtDefaults,
  faults: Faults,
): JwtSettings {
  const givenFormat = settings.get('format');
  const givenKeys = settings.get('jwt_keys');
  const givenIssuer = settings.get('issuer');
  const givenLeeway = settings.get('leeway');
  const format = (givenFormat && readFormat(givenFormat, faults)) ?? 'opaque';
  const jwtKeys = givenKeys && readPath(givenKeys, faults);
  if (givenFormat && format === 'jwt' && !givenKeys && isComplete) {
    const expected =
      'opaque; or set POSTERN_JWT_KEYS to a file of keys, ' +
      'as postern key generate --out /etc/postern/keys.json makes one';
    faults.add(givenFormat, expected);
  }
  const set =
    givenIssuer && readName(givenIssuer, "what stands as iss in Postern's tokens", faults);
  // Of one at fault nothing follows: no other issuer has an empty name.
  const issuer = givenIssuer ? (set ?? '') : (publicUrl ?? 'postern');
  const range = { unit: 'seconds', min: 0, max: 60 };
  const leeway = (givenLeeway && readWhole(givenLeeway, range, faults)) ?? 5;
  return { format, ...(jwtKeys !== undefined && { jwtKeys }), issuer, leeway };
}

/** An `iss` or `aud`, as `what` says: compared to the letter, so no letter may be doubtful. */
export function readName(given: Given, what: string, faults: Faults): string | undefined {
  if (typeof given.value === 'string' && /^[\x21-\x7e]{1,255}$/.test(given.value)) {
    return given.value;
  }
  const expected = `${what}: 1 to 255 ASCII characters without spaces, such as https://a.example`;
  return faults.add(given, expected);
}

function readFormat(given: Given, faults: Faults): JwtSettings['format'] | undefined {
  const format = FORMATS.find((known) => known === given.value);
  return format ?? faults.add(given, FORMATS.join(' or '));
}
