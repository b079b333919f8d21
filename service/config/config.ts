import type { ApiKey } from '../domain/client.ts';
import type { Mount } from '../domain/mount.ts';
import { readApiKeys } from './clients.ts';
import { configFile, type Environment, readEnvironment } from './environment.ts';
import { ConfigError, ConfigErrors } from './errors.ts';
import { type ReadFile, readConfigFile } from './file.ts';
import { type IssuerSettings, readIssuers } from './issuers.ts';
import { readMounts } from './mounts.ts';
import { type PlainSettings, readPlain, type ValidPlain } from './settings.ts';
import type { SourcedValues } from './source.ts';
import { readStore, type StoreSettings } from './store.ts';
import type { Listen } from './values.ts';

/** Everything that an operator can set, checked. */
export interface Config {
  /** The gate, which is only for nginx. */
  readonly listen: Listen;
  /** `off`: no API, only the gate. */
  readonly apiListen: Listen | 'off';
  /** Who may connect to a Unix socket, as in chmod(1). */
  readonly socketMode: number;
  readonly store: StoreSettings;
  /** At least one. */
  readonly mounts: readonly Mount[];
  /** Empty only without an API, on a terminal, or if there are trusted issuers. */
  readonly apiKeys: readonly ApiKey[];
  /** Issuers whose JWTs Postern trusts. */
  readonly issuers: readonly IssuerSettings[];
  /** Seconds, if a request does not say. */
  readonly expiresIn: number;
  /** Seconds; no client's own maximum exceeds it. */
  readonly maxExpiresIn: number;
  /** Seconds in which a requester may resume after the first use, if a request does not say. */
  readonly resumeFor: number;
  /** Seconds; no client's own maximum exceeds it. */
  readonly maxResumeFor: number;
  /** An origin, `https://files.example`, before the path of each issued URL. */
  readonly publicUrl?: string;
  /** Seconds for which nginx may cache a decision. */
  readonly decisionTtl: number;
  /** Attributes of the cookies that Postern sets. */
  readonly cookies: {
    /** `None` is for players that are embedded in another site's page. */
    readonly sameSite: PlainSettings['cookie_samesite'];
    /** False is for development on plain HTTP, where browsers drop a Secure cookie. */
    readonly secure: boolean;
    /** Only with `None`. */
    readonly partitioned: boolean;
  };
  readonly logLevel: PlainSettings['log_level'];
  /** The format of tokens, if a request does not say. */
  readonly format: PlainSettings['format'];
  /** The path of a JWKS file with Postern's own keys: the first signs, all verify. */
  readonly jwtKeys?: string;
  /** `iss` in Postern's own tokens. */
  readonly issuer: string;
  /** Seconds by which clocks may differ. */
  readonly leeway: number;
}

/**
 * Reads and checks the configuration: the environment, and the YAML file that `POSTERN_CONFIG` names.
 * A setting in the environment replaces the file's, lists included.
 *
 * @param readFile returns a file's text, or throws as `node:fs` does
 * @param onTerminal whether Postern can generate an API key and show it; if not, having none is an error
 * @returns the configuration, deeply frozen
 * @throws ConfigError with every issue
 */
export function loadConfig(
  env: Environment,
  readFile: ReadFile,
  { onTerminal } = { onTerminal: false },
): Config {
  const errors = new ConfigErrors();
  const file = configFile(env);
  const fromEnvironment = readEnvironment(env, errors);
  const fromFile = file ? readConfigFile(file, readFile, errors) : new Map();
  const settings: SourcedValues = new Map([...(fromFile ?? []), ...fromEnvironment]);
  // A setting that seems to be missing may be in a file that cannot be read.
  const isComplete = fromFile !== undefined;

  const plain = readPlain(settings, errors);
  const store = readStore(plain, settings, readFile, errors);
  const mounts =
    isComplete || settings.has('mounts') ? readMounts(settings.get('mounts'), errors) : undefined;
  const general = {
    mounts,
    maxExpiresIn: plain.max_expires_in,
    maxResumeFor: plain.max_resume_for,
  };
  const before = errors.count;
  const apiKeys = readApiKeys(settings.get('api_keys'), general, errors);
  const validKeys = errors.count === before ? apiKeys : undefined;
  const ownIssuer = settings.has('issuer') ? plain.issuer : (plain.public_url ?? 'postern');
  const context = { ...general, apiKeys: validKeys, ownIssuer };
  const issuers = readIssuers(settings.get('issuers'), context, errors);
  if (isComplete) requireKeys(plain, settings, onTerminal, errors);

  if (errors.count > 0 || !store || mounts === undefined || ownIssuer === undefined) {
    throw new ConfigError(errors.issues);
  }
  // Without an issue, every plain setting has a value.
  const checked = plain as PlainSettings;
  const { public_url: publicUrl, jwt_keys: jwtKeys } = checked;
  return deepFreeze({
    listen: checked.listen,
    apiListen: checked.api_listen,
    socketMode: checked.socket_mode,
    store,
    mounts,
    apiKeys,
    issuers,
    expiresIn: checked.expires_in,
    maxExpiresIn: checked.max_expires_in,
    resumeFor: checked.resume_for,
    maxResumeFor: checked.max_resume_for,
    ...(publicUrl !== undefined && { publicUrl }),
    decisionTtl: checked.decision_ttl,
    cookies: {
      sameSite: checked.cookie_samesite,
      secure: checked.cookie_secure,
      partitioned: checked.cookie_partitioned && checked.cookie_samesite === 'None',
    },
    logLevel: checked.log_level,
    format: checked.format,
    ...(jwtKeys !== undefined && { jwtKeys }),
    issuer: ownIssuer,
    leeway: checked.leeway,
  });
}

/** Somebody must be able to call the API, and tokens of format jwt need a key that signs them. */
function requireKeys(
  { api_listen, format }: ValidPlain,
  settings: SourcedValues,
  onTerminal: boolean,
  errors: ConfigErrors,
): void {
  const needsClient = api_listen !== 'off' && !onTerminal;
  if (needsClient && !settings.has('api_keys') && !settings.has('issuers')) {
    errors.add(
      { field: 'POSTERN_API_KEYS' },
      'at least one API key, such as web:<secret of 16 characters or more> ' +
        '(Postern generates one at start only on a terminal, where it can show it)',
    );
  }
  const sourcedFormat = settings.get('format');
  if (sourcedFormat && format === 'jwt' && !settings.has('jwt_keys')) {
    errors.add(
      sourcedFormat,
      'opaque; or set POSTERN_JWT_KEYS to a file of keys, ' +
        'such as postern key generate --out /etc/postern/keys.json creates',
    );
  }
}

/** Freezes a value and all that it contains, except bytes, which cannot be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
