import { z } from 'zod';
import type { ConfigErrors } from './errors.ts';
import { createFieldReader, type FieldReader, type SourcedValues, type Valid } from './source.ts';
import * as values from './values.ts';

const A_YEAR = 31_536_000;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;

/** The plain settings as the file names them: what a value must be, and the default. */
const PLAIN = {
  listen: values.listenAddress.default({ host: '127.0.0.1', port: 7300 }),
  api_listen: values.listenAddressOrOff.default({ host: '127.0.0.1', port: 7301 }),
  socket_mode: values.socketMode.default(0o660),
  store: values.storeUrl.default('memory:'),
  store_prefix: values.storePrefix.default('postern:'),
  store_password_file: values.path('/run/secrets/redis-password').optional(),
  store_ca_file: values.path('/etc/postern/redis-ca.pem').optional(),
  store_cert_file: values.path('/etc/postern/redis-client.pem').optional(),
  store_key_file: values.path('/etc/postern/redis-client.key').optional(),
  store_server_name: values.serverName.optional(),
  sentinel_username: values.credential("the sentinels' user name").optional(),
  sentinel_password: values.credential("the sentinels' password").optional(),
  store_timeout_ms: values.wholeNumber('milliseconds', 10, 10_000).default(250),
  expires_in: values.wholeNumber('seconds', 1, A_YEAR).default(120),
  max_expires_in: values.wholeNumber('seconds', 1, A_YEAR).default(3600),
  resume_for: values.wholeNumber('seconds', 0, A_YEAR).default(3600),
  max_resume_for: values.wholeNumber('seconds', 0, A_YEAR).default(86_400),
  public_url: values.publicUrl.optional(),
  decision_ttl: values.wholeNumber('seconds', 0, 3600).default(0),
  cookie_samesite: values.sameSite.default('Lax'),
  cookie_secure: values.flag.default(true),
  cookie_partitioned: values.flag.default(true),
  log_level: z.enum(LOG_LEVELS, `one of ${LOG_LEVELS.join(', ')}`).default('info'),
  format: z.enum(['opaque', 'jwt'], 'opaque or jwt').default('opaque'),
  jwt_keys: values.jwksFile.optional(),
  issuer: values.jwtName("the iss claim of Postern's tokens").optional(),
  leeway: values.wholeNumber('seconds', 0, 60).default(5),
};

export type PlainSettings = { [K in keyof typeof PLAIN]: z.output<(typeof PLAIN)[K]> };
export type ValidPlain = Valid<typeof PLAIN>;

/** Every setting that a variable can hold. */
export const SETTINGS = [...Object.keys(PLAIN), 'mounts', 'api_keys'];

/** Settings that the environment cannot hold. */
export const FILE_ONLY = ['issuers'];

/** Names the file, so the file cannot contain it. */
export const CONFIG_VARIABLE = 'POSTERN_CONFIG';

/** For commands that call a service; the service itself rejects them. */
export const API_VARIABLES: readonly string[] = ['POSTERN_API', 'POSTERN_API_KEY'];

export function variableOf(setting: string): string {
  return `POSTERN_${setting.toUpperCase()}`;
}

/** The plain settings, and checks between them. An invalid setting is undefined. */
export function readPlain(settings: SourcedValues, errors: ConfigErrors): ValidPlain {
  const fields = createFieldReader(settings, (name) => ({ field: variableOf(name) }), errors);
  const plain = fields.read(PLAIN);
  requireDifferentAddresses(plain, fields, errors);
  requireSecureCookies(plain, fields, errors);
  return {
    ...plain,
    expires_in: requireAtMost('expires_in', plain, fields, errors),
    resume_for: requireAtMost('resume_for', plain, fields, errors),
  };
}

/** A proxy that publishes the API must not publish the gate with it: the gate trusts its headers. */
function requireDifferentAddresses(
  { listen, api_listen }: ValidPlain,
  { has, source }: FieldReader,
  errors: ConfigErrors,
): void {
  if (listen === undefined || api_listen === undefined || api_listen === 'off') return;
  if (!collide(listen, api_listen)) return;
  const [invalid, other] = has('api_listen') ? ['api_listen', 'listen'] : ['listen', 'api_listen'];
  errors.add(
    source(invalid),
    `an address that differs from ${source(other).field}: the gate, which is only for nginx, ` +
      'and the API cannot share one',
  );
}

const EVERY_ADDRESS = ['0.0.0.0', '::'];

function collide(a: values.Listen, b: values.Listen): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  const isSame = a.host.toLowerCase() === b.host.toLowerCase();
  const isEvery = EVERY_ADDRESS.includes(a.host) || EVERY_ADDRESS.includes(b.host);
  return a.port === b.port && (isSame || isEvery);
}

/** A default that is set above its maximum is an issue. One that is not set is lowered. */
function requireAtMost(
  name: 'expires_in' | 'resume_for',
  { [name]: value, [`max_${name}` as const]: max }: ValidPlain,
  { has, source }: FieldReader,
  errors: ConfigErrors,
): number | undefined {
  if (value === undefined || max === undefined || value <= max) return value;
  if (!has(name)) return max;
  const expected = `at most ${max} seconds, which is the maximum; or set `;
  return errors.add(source(name), `${expected}${source(`max_${name}`).field} to ${value}`);
}

/** RFC 6265bis, section 5.7: browsers ignore a cookie with SameSite=None that is not Secure. */
function requireSecureCookies(
  { cookie_samesite, cookie_secure }: ValidPlain,
  { source }: FieldReader,
  errors: ConfigErrors,
): void {
  if (cookie_samesite !== 'None' || cookie_secure !== false) return;
  errors.add(
    source('cookie_secure'),
    'true, because browsers drop a cookie with SameSite=None that is not Secure; ' +
      `or set ${source('cookie_samesite').field} to lax or strict`,
  );
}
