import { z } from 'zod';
import { EVENT_TYPES } from '../webhooks/event.ts';
import { PAGE_SETTINGS } from './pages.ts';
import {
  type Complete,
  createFileReader,
  type Fields,
  type ReadFile,
  type Valid,
} from './source.ts';
import * as urls from './urls.ts';
import * as values from './values.ts';

const A_YEAR = 31_536_000;
const EVENTS = `a list of ${EVENT_TYPES.join(', ')}`;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;

/** The plain settings as the file names them: what a value must be, and the default. */
const PLAIN = {
  /** The gate, which is only for nginx. */
  listen: values.listenAddress.default({ path: '/run/postern/gate.sock' }),
  /** `off`: no API, only the gate. */
  api_listen: values.listenAddressOrOff.default({ host: '127.0.0.1', port: 7301 }),
  /** A separate listener for `/metrics`, `/livez` and `/readyz`. */
  metrics_listen: values.listenAddress.optional(),
  /** Where nginx sends a line about each file that it has sent. */
  delivery_listen: values.udpAddress.optional(),
  /** Who may send such lines. */
  delivery_from: values.addressRanges.default(values.LOOPBACK),
  /** Who may connect to a Unix socket, as in chmod(1). */
  socket_mode: values.socketMode.default(0o660),
  store: urls.storeUrl.default('memory:'),
  store_prefix: values.storePrefix.default('postern:'),
  store_password_file: values.path('/run/secrets/redis-password').optional(),
  store_ca_file: values.path('/etc/postern/redis-ca.pem').optional(),
  store_cert_file: values.path('/etc/postern/redis-client.pem').optional(),
  store_key_file: values.path('/etc/postern/redis-client.key').optional(),
  store_server_name: values.serverName.optional(),
  sentinel_username: values.credential("the sentinels' user name").optional(),
  sentinel_password: values.credential("the sentinels' password").optional(),
  store_timeout_ms: values.wholeNumber('milliseconds', 10, 10_000).default(250),
  /** How many replicas confirm revocations and new requesters. */
  store_replicas: values.wholeNumber('replicas', 0, 10).default(0),
  /** Default of requests for tokens, in seconds. */
  expires_in: values.wholeNumber('seconds', 1, A_YEAR).default(120),
  /** Seconds. The maximum of a client cannot exceed it. */
  max_expires_in: values.wholeNumber('seconds', 1, A_YEAR).default(3600),
  /** Default of requests for tokens: seconds in which a requester may resume after its first use. */
  resume_for: values.wholeNumber('seconds', 0, A_YEAR).default(3600),
  /** Seconds. The maximum of a client cannot exceed it. */
  max_resume_for: values.wholeNumber('seconds', 0, A_YEAR).default(86_400),
  /** An origin, `https://files.example`, before the path of each issued URL. */
  public_url: urls.publicUrl.optional(),
  /** Seconds for which nginx may cache a decision. */
  decision_ttl: values.wholeNumber('seconds', 0, 3600).default(0),
  /** `None` is for players that are embedded in another site's page. */
  cookie_samesite: values.sameSite.default('Lax'),
  /** False is for development on plain HTTP, where browsers drop a Secure cookie. */
  cookie_secure: values.flag.default(true),
  cookie_partitioned: values.flag.default(true),
  /** The types of events to record; absent: all if there is a webhook, else none. */
  events: values.texts(EVENTS, z.enum(EVENT_TYPES, EVENTS)).optional(),
  /** The receiver of events. */
  webhook_url: urls.webhookUrl.optional(),
  webhook_secret_file: values.path('/etc/postern/webhook-secret').optional(),
  /** Addresses of the receiver that are not public. */
  webhook_allow: values.addressRanges.optional(),
  ...PAGE_SETTINGS,
  log_level: z.enum(LOG_LEVELS, `one of ${LOG_LEVELS.join(', ')}`).default('info'),
  /** Default format of tokens. */
  format: z.enum(['opaque', 'jwt'], 'opaque or jwt').default('opaque'),
  /** The path of a JWKS file with Postern's own keys: the first signs, all verify. */
  jwt_keys: values.jwksFile.optional(),
  /** `iss` in Postern's own tokens. */
  issuer: values.jwtName("the iss claim of Postern's tokens").optional(),
  /** Seconds by which clocks may differ. */
  leeway: values.wholeNumber('seconds', 0, 60).default(5),
};

export type PlainSettings = Complete<typeof PLAIN>;
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
export function readPlain(settings: Fields): ValidPlain {
  const plain = settings.read(PLAIN);
  requireDifferentAddresses(plain, settings);
  requireSenders(plain, settings);
  // RFC 6265bis, section 5.7: browsers ignore a cookie with SameSite=None that is not Secure.
  if (plain.cookie_samesite === 'None' && plain.cookie_secure === false) {
    settings.add(
      'cookie_secure',
      'true, because browsers drop a cookie with SameSite=None that is not Secure; ' +
        `or set ${settings.source('cookie_samesite').field} to lax or strict`,
    );
  }
  return {
    ...plain,
    expires_in: atMost('expires_in', plain, settings),
    resume_for: atMost('resume_for', plain, settings),
  };
}

const LISTENERS = ['listen', 'api_listen', 'metrics_listen'] as const;

/** A proxy that publishes the API must not publish the gate with it: the gate trusts its headers. */
function requireDifferentAddresses(plain: ValidPlain, { has, source, add }: Fields): void {
  for (const [index, one] of LISTENERS.entries()) {
    for (const other of LISTENERS.slice(0, index)) {
      const [a, b] = [plain[one], plain[other]];
      if (a === undefined || a === 'off' || b === undefined || b === 'off' || !collide(a, b))
        continue;
      const [invalid, kept] = has(one) ? [one, other] : [other, one];
      add(
        invalid,
        `an address that differs from ${source(kept).field}: the gate, which is only for nginx, ` +
          'the API and the metrics cannot share one',
      );
    }
  }
}

/** A process that can send a line can use up the `max_bytes` of a token. */
function requireSenders({ delivery_listen: where }: ValidPlain, { has, add }: Fields): void {
  if (where === undefined || urls.isLoopback(where.host) || has('delivery_from')) return;
  add(
    'delivery_listen',
    'an address of this machine only, such as 127.0.0.1:7302; ' +
      'or set POSTERN_DELIVERY_FROM to the addresses of nginx',
  );
}

const EVERY_ADDRESS = ['0.0.0.0', '::'];

function collide(a: values.Listen, b: values.Listen): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  const isSame = a.host.toLowerCase() === b.host.toLowerCase();
  const isEvery = EVERY_ADDRESS.includes(a.host) || EVERY_ADDRESS.includes(b.host);
  return a.port === b.port && (isSame || isEvery);
}

/** A configured default above its maximum is an issue. The built-in default is lowered to the maximum. */
function atMost(
  name: 'expires_in' | 'resume_for',
  { [name]: value, [`max_${name}` as const]: max }: ValidPlain,
  { has, source, add }: Fields,
): number | undefined {
  if (value === undefined || max === undefined || value <= max) return value;
  if (!has(name)) return max;
  const expected = `at most ${max} seconds, which is the maximum; or set `;
  return add(name, `${expected}${source(`max_${name}`).field} to ${value}`);
}

/** Never log `webhook.secrets`, nor the URL, which may contain a secret. */
export type EventConfig = NonNullable<ReturnType<typeof readEvents>>;

const SECRETS =
  'the path of a file with a secret on each line: whsec_ and 24 to 64 bytes in base64. ' +
  'To create one: printf whsec_%s "$(openssl rand -base64 32)"';

/** The settings of events, and the file with the secrets; undefined, with issues, if one is invalid. */
export function readEvents(plain: ValidPlain, settings: Fields, readFile: ReadFile) {
  const { events, webhook_url: url, webhook_allow: allow = [] } = plain;
  const { has, add } = settings;
  if (!has('webhook_url')) {
    for (const name of ['webhook_secret_file', 'webhook_allow'].filter(has)) {
      add(name, `no value, or a URL in ${variableOf('webhook_url')}`);
    }
    return { types: events ?? [] };
  }
  if (!has('webhook_secret_file')) {
    return add('webhook_secret_file', `${SECRETS}; the receiver verifies each event with it`);
  }
  if (/^http:/i.test(url ?? '') && !has('webhook_allow')) {
    const expected = 'an https URL: http is only for addresses in';
    add('webhook_url', `${expected} ${variableOf('webhook_allow')}`);
  }
  const fromFile = createFileReader(plain, settings, readFile);
  const secrets = fromFile('webhook_secret_file', SECRETS, readSecrets);
  if (url === undefined || secrets === undefined) return undefined;
  return { types: events ?? EVENT_TYPES, webhook: { url, secrets, allow } };
}

function readSecrets(text: string): readonly Buffer[] | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const secrets = lines.filter(Boolean).map((line) => {
    const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    return Buffer.from(base64, 'base64');
  });
  const areValid = secrets.every(({ length }) => length >= 24 && length <= 64);
  return secrets.length > 0 && areValid ? secrets : undefined;
}
