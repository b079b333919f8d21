import { readApiKeys } from './config/api-keys.ts';
import { type CookieSettings, readCookies } from './config/cookies.ts';
import { configFile, type Environment, readEnvironment } from './config/environment.ts';
import { readExpiry } from './config/expiry.ts';
import { ConfigError, Faults } from './config/fault.ts';
import { type ReadFile, readSettings } from './config/file.ts';
import { deepFreeze } from './config/freeze.ts';
import type { TrustedIssuer } from './config/issuer.ts';
import { readIssuers } from './config/issuers.ts';
import { type JwtSettings, readJwt } from './config/jwt.ts';
import type { Listen } from './config/listen.ts';
import { readListeners } from './config/listeners.ts';
import { type LogLevel, readLogLevel } from './config/log-level.ts';
import { readMounts } from './config/mounts.ts';
import { readPublicUrl } from './config/public-url.ts';
import { readResume } from './config/resume.ts';
import { readStore, type StoreSettings } from './config/store.ts';
import { readWhole } from './config/whole.ts';
import type { ApiKey } from './domain/client.ts';
import type { Mount } from './domain/mount.ts';

export { ConfigError, type ConfigFault } from './config/fault.ts';
export type { TrustedIssuer } from './config/issuer.ts';
export type { Listen } from './config/listen.ts';

/** Everything that an operator can set, checked. */
export interface Config extends JwtSettings {
  /** The gate, for nginx alone. */
  readonly listen: Listen;
  readonly apiListen: Listen;
  /** Of a Unix socket: who may connect, as in chmod. */
  readonly socketMode: number;
  readonly store: StoreSettings;
  /** At least one. */
  readonly mounts: readonly Mount[];
  /** Empty only on a terminal, or where issuers are trusted. */
  readonly apiKeys: readonly ApiKey[];
  /** Others whose JWTs are trusted. */
  readonly issuers: readonly TrustedIssuer[];
  /** Seconds, where a request for a token names none. */
  readonly expiresIn: number;
  /** Seconds; no client's own maximum is above it. */
  readonly maxExpiresIn: number;
  /** Seconds from its first use in which a requester of a counted token may go on, by default. */
  readonly resumeFor: number;
  /** Seconds; no client's own maximum is above it. */
  readonly maxResumeFor: number;
  /** An origin, `https://files.example`, before the path of each issued URL. */
  readonly publicUrl?: string;
  /** Whole seconds for which nginx may reuse an answer. */
  readonly decisionTtl: number;
  readonly cookies: CookieSettings;
  readonly logLevel: LogLevel;
}

const NO_KEY =
  'at least one API key, such as web:<secret of 16 characters or more> ' +
  '(one is made at start only on a terminal, where it can be shown)';

/**
 * Reads and checks the configuration: the environment, and the YAML file that its `POSTERN_CONFIG`
 * names, if it does. A setting in the environment replaces the file's, lists included.
 *
 * @param readFile gives a file's text, or throws as `node:fs` does
 * @param onTerminal whether an API key could be made and shown; if not, having none is a fault
 * @returns the configuration, frozen all through
 * @throws ConfigError with every fault there is
 */
export function loadConfig(
  env: Environment,
  readFile: ReadFile,
  { onTerminal } = { onTerminal: false },
): Config {
  const faults = new Faults();
  const file = configFile(env);
  const fromEnvironment = readEnvironment(env, faults);
  const fromFile = file ? readSettings(file, readFile, faults) : new Map();
  const settings = new Map([...(fromFile ?? []), ...fromEnvironment]);

  const listeners = readListeners(settings, faults);
  const store = readStore(settings, faults);
  const expiry = readExpiry(settings, faults);
  const resume = readResume(settings, faults);
  // What is missing may stand in a file that cannot be read.
  const unknown = fromFile === undefined && !settings.has('mounts');
  const mounts = unknown ? undefined : readMounts(settings.get('mounts'), faults);
  const { maxExpiresIn } = expiry ?? {};
  const { maxResumeFor } = resume ?? {};
  const bounds = { mounts, maxExpiresIn, maxResumeFor };
  const before = faults.all.length;
  const apiKeys = readApiKeys(settings.get('api_keys'), bounds, faults);
  const goodKeys = faults.all.length === before ? apiKeys : undefined;
  // Whoever trusts others' JWTs may have no client of its own.
  const someone = settings.has('api_keys') || settings.has('issuers');
  if (!onTerminal && fromFile !== undefined && !someone) {
    faults.add({ field: 'POSTERN_API_KEYS' }, NO_KEY);
  }
  const givenUrl = settings.get('public_url');
  const publicUrl = givenUrl && readPublicUrl(givenUrl, faults);
  const isComplete = fromFile !== undefined;
  const jwt = readJwt(settings, { publicUrl, isComplete }, faults);
  const around = { ...bounds, apiKeys: goodKeys, own: jwt.issuer };
  const issuers = readIssuers(settings.get('issuers'), around, faults);
  const givenTtl = settings.get('decision_ttl');
  const ttlRange = { unit: 'seconds', min: 0, max: 3600 };
  const decisionTtl = (givenTtl && readWhole(givenTtl, ttlRange, faults)) ?? 0;
  const cookies = readCookies(settings, faults);
  const givenLevel = settings.get('log_level');
  const logLevel = (givenLevel && readLogLevel(givenLevel, faults)) ?? 'info';

  if (faults.all.length > 0 || !listeners || !expiry || !resume || !mounts) {
    throw new ConfigError(faults.all);
  }
  return deepFreeze({
    ...listeners,
    store,
    mounts,
    apiKeys,
    issuers,
    ...jwt,
    ...expiry,
    ...resume,
    ...(publicUrl !== undefined && { publicUrl }),
    decisionTtl,
    cookies,
    logLevel,
  });
}
