import type { PageSettings } from '../pages/pages.ts';
import type { ApiKey, TrustedIssuer } from '../token/client.ts';
import { readApiKeys, readIssuers } from './clients.ts';
import { configFile, type Environment, readEnvironment } from './environment.ts';
import { ConfigError, ConfigErrors } from './errors.ts';
import { readConfigFile } from './file.ts';
import { type MountSettings, readMounts } from './mounts.ts';
import { readPageSettings } from './pages.ts';
import {
  type EventConfig,
  type PlainSettings,
  readEvents,
  readPlain,
  type ValidPlain,
  variableOf,
} from './settings.ts';
import {
  type CamelCased,
  camelCased,
  createFields,
  defined,
  type Fields,
  type ReadFile,
  type SourcedValues,
} from './source.ts';
import { readStore, type StoreSettings } from './store.ts';
import type { Listen, UdpAddress } from './values.ts';

/** The plain settings that have a value and are not part of another one. */
type General = Omit<
  PlainSettings,
  | `${'store' | 'sentinel' | 'cookie' | 'webhook' | 'page'}${string}`
  | 'events'
  | 'issuer'
  | 'jwt_keys'
  | 'metrics_listen'
  | 'delivery_listen'
  | 'public_url'
>;

/** Everything that an operator can set, checked. The table in settings.ts documents the plain settings. */
export type Config = CamelCased<General> & {
  readonly store: StoreSettings;
  readonly events: EventConfig;
  /** The pages for people. */
  readonly pages: PageSettings;
  /** At least one. */
  readonly mounts: readonly MountSettings[];
  /** Empty only without an API, on a terminal, or if there are trusted issuers. */
  readonly apiKeys: readonly ApiKey[];
  /** Issuers whose JWTs Postern trusts. */
  readonly issuers: readonly TrustedIssuer[];
  readonly issuer: string;
  readonly metricsListen?: Listen;
  readonly deliveryListen?: UdpAddress;
  readonly publicUrl?: string;
  readonly jwtKeys?: string;
  /** Attributes of the cookies that Postern sets. */
  readonly cookies: {
    readonly sameSite: PlainSettings['cookie_samesite'];
    readonly secure: boolean;
    /** Only with `None`. */
    readonly partitioned: boolean;
  };
};

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
  const values: SourcedValues = new Map([...(fromFile ?? []), ...fromEnvironment]);
  const settings = createFields(values, (name) => ({ field: variableOf(name) }), errors);
  // A setting that seems to be missing may be in the file that cannot be read.
  const isComplete = fromFile !== undefined;

  const plain = readPlain(settings);
  const store = readStore(plain, settings, readFile);
  const events = readEvents(plain, settings, readFile);
  const pages = readPageSettings(plain, settings, readFile);
  const mounts =
    isComplete || settings.has('mounts')
      ? readMounts(values.get('mounts'), { env, readFile }, errors)
      : undefined;
  const apiKeys = readApiKeys(values.get('api_keys'), { mounts, plain }, errors);
  const issuer = settings.has('issuer') ? plain.issuer : (plain.public_url ?? 'postern');
  const context = { mounts, plain, apiKeys, ownIssuer: issuer };
  const issuers = readIssuers(values.get('issuers'), context, errors);
  if (isComplete) requireKeys(plain, settings, onTerminal);

  if (errors.count > 0) throw new ConfigError(errors.issues);
  // Without an issue, every setting has a value.
  const {
    cookie_samesite: sameSite,
    cookie_secure: secure,
    cookie_partitioned: partitioned,
    ...others
  } = plain;
  const cookies = { sameSite, secure, partitioned: partitioned && sameSite === 'None' };
  const isPart = ([name]: [string, unknown]) => /^(store|sentinel|webhook|page)/.test(name);
  const general = Object.fromEntries(Object.entries(others).filter((entry) => !isPart(entry)));
  const parts = { store, events, pages, mounts, apiKeys, issuers, issuer, cookies };
  return deepFreeze({ ...defined(camelCased(general)), ...parts } as Config);
}

/** The API needs a client, and tokens of format jwt need a key that signs them. */
function requireKeys(
  { api_listen, format }: ValidPlain,
  { has, add }: Fields,
  onTerminal: boolean,
): void {
  const needsClient = api_listen !== 'off' && !onTerminal;
  if (needsClient && !has('api_keys') && !has('issuers')) {
    add(
      'api_keys',
      'at least one API key, such as web:<secret of 16 characters or more> ' +
        '(Postern generates one at start only on a terminal, where it can show it)',
    );
  }
  if (has('format') && format === 'jwt' && !has('jwt_keys')) {
    add(
      'format',
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
