import { z } from 'zod';
import { LOOPBACK } from '../address.ts';
import { EVENT_TYPES } from '../events/event.ts';
import { PAGE_FOLDER, readPageFolder } from '../pages/folder.ts';
import { apiKeyList } from './clients.ts';
import { caFile, certFile, keyFile, passwordFile, secretsFile } from './files.ts';
import { issuerList } from './issuers.ts';
import { mountList } from './mounts.ts';
import {
  A_YEAR,
  type Add,
  addressRanges,
  FILE_PATH,
  flag,
  HOST_NAME,
  jwksFile,
  jwtName,
  listenAddress,
  listenAddressOrOff,
  matching,
  oneOf,
  origin,
  PLACE,
  parsed,
  socketMode,
  storeUrl,
  textList,
  udpAddress,
  type Valid,
  WORD,
  webhookUrl,
  wholeNumber,
} from './values.ts';

const sameSite = parsed('lax, strict or none', (text) =>
  (['Lax', 'Strict', 'None'] as const).find((name) => name.toLowerCase() === text.toLowerCase()),
);

const credential = matching(/^\P{Cc}{1,1024}$/u, '1 to 1024 characters without control characters');

const LINKS = 'a list of texts and URLs, such as Imprint=https://example.com/imprint,Help=/help';
const LINK =
  /^([^=\p{Cc}]{1,60})=((?:https?:\/\/|mailto:|\/(?!\/))[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x7e]+)$/u;

const pageLinks = textList(
  LINKS,
  parsed(LINKS, (link) => {
    const [, text = '', url] = LINK.exec(link) ?? [];
    return url === undefined ? undefined : { text, url };
  }),
);

const pageFolder = parsed(PAGE_FOLDER, (folder, report) =>
  FILE_PATH.test(folder) ? readPageFolder(folder, report) : undefined,
);

/**
 * Every setting: what its value must be, the default, and its meaning in docs/reference/configuration.md and `--help`.
 * `absent` says what applies without a value, `restart` that a reload does not change it. A variable has the name of its
 * setting in upper case, after `POSTERN_`.
 */
export const TABLE = {
  listen: listenAddress
    .prefault('unix:/run/postern/gate.sock')
    .meta({ description: 'address of the gate, for nginx only', restart: true }),
  api_listen: listenAddressOrOff.prefault('127.0.0.1:7301').meta({
    description:
      'address of the API, or `off`: [no API](../operate/scaling.md#gates-without-an-api)',
    restart: true,
  }),
  metrics_listen: listenAddress.optional().meta({
    restart: true,
    description: 'separate address for `/metrics`, `/readyz` and `/livez`',
    absent: 'the API, unless processes share it',
  }),
  delivery_listen: udpAddress.optional().meta({
    description: 'UDP address for [what nginx sent](../guides/delivery.md)',
    restart: true,
  }),
  delivery_from: addressRanges.default(LOOPBACK).meta({
    description: 'addresses that may report it; required if the UDP address is not loopback',
    restart: true,
  }),
  socket_mode: socketMode
    .prefault('0660')
    .meta({ description: 'mode of a Unix socket', restart: true }),

  store: storeUrl.prefault('memory:').meta({
    description: 'where tokens are stored: see [Redis](../operate/redis.md)',
    restart: true,
  }),
  // No braces, which would determine the slot of a key in a cluster, and no characters of Redis' patterns.
  store_prefix: matching(
    /^[A-Za-z0-9:._/-]{1,64}$/,
    '1 to 64 letters, digits or : . _ / -, such as postern:',
  )
    .prefault('postern:')
    .meta({ description: 'prefix of each key in Redis', restart: true }),
  store_timeout_ms: wholeNumber('milliseconds', 10, 10_000)
    .prefault(250)
    .meta({ description: 'time for Redis to answer', restart: true }),
  store_replicas: wholeNumber('replicas', 0, 10).prefault(0).meta({
    description:
      '[replicas that acknowledge](../operate/redis.md#acknowledged-by-replicas) revocations and first uses',
    restart: true,
  }),
  store_password_file: passwordFile.optional().describe('password for Redis'),
  store_ca_file: caFile
    .optional()
    .meta({ description: 'CA certificates for TLS', absent: 'the CAs of Node.js' })
    .meta(PLACE),
  store_cert_file: certFile.optional().describe('client certificate for TLS').meta(PLACE),
  store_key_file: keyFile.optional().describe('key of the client certificate'),
  store_server_name: matching(HOST_NAME, 'the host name in the certificates, such as redis.example')
    .optional()
    .meta({
      restart: true,
      description: 'name in the certificates',
      absent: 'the host that Postern connects to',
    }),
  store_sentinel_username: credential
    .optional()
    .meta({ description: 'user name for the sentinels', restart: true }),
  store_sentinel_password: credential
    .optional()
    .meta({ description: 'password for the sentinels', restart: true }),

  mounts: mountList.meta({
    description: 'public and internal prefixes',
    absent: 'required',
    ...PLACE,
  }),
  api_keys: apiKeyList.optional().describe('clients that may issue tokens'),

  expires_in: wholeNumber('seconds', 1, A_YEAR)
    .prefault(120)
    .describe('lifetime of a token, if the request has none'),
  max_expires_in: wholeNumber('seconds', 1, A_YEAR)
    .prefault(3600)
    .describe('maximum of `expires_in` in a request'),
  resume_for: wholeNumber('seconds', 0, A_YEAR)
    .prefault(3600)
    .describe('time to resume a counted token, if the request has none'),
  max_resume_for: wholeNumber('seconds', 0, A_YEAR)
    .prefault(86_400)
    .describe('maximum of `resume_for` in a request'),
  decision_ttl: wholeNumber('seconds', 0, 3600)
    .prefault(0)
    .describe('time that nginx may cache an "allow" decision'),

  public_url: origin('an origin without user, path and query, such as https://files.example')
    .optional()
    .meta({ description: 'origin of issued URLs', absent: 'URLs begin with the path' }),
  api_url: origin('an origin without user, path and query, such as https://postern.example')
    .optional()
    .describe('origin of the API, for [OAuth clients](http.md#clients-for-oauth)'),
  log_level: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent')
    .prefault('info')
    .describe('lowest level that is logged; `debug` adds each allowed decision'),
  page_name: matching(
    /^[^\p{Cc}]{1,60}$/u,
    'a name of at most 60 characters, such as Example Files',
  )
    .optional()
    .describe('name of the site on the [pages for people](../guides/pages.md#your-brand)'),
  page_color: matching(/^#[0-9a-f]{6}$/i, 'a color of six hex digits, such as #1d4ed8')
    .optional()
    .meta({ description: 'color of the buttons', absent: '`#1d4ed8`' })
    .meta(WORD),
  page_links: pageLinks.optional().describe('links on each page'),
  page_folder: pageFolder.optional().describe('logo, languages and own pages').meta(PLACE),

  cookie_samesite: sameSite.prefault('lax').describe("`SameSite` of Postern's cookies").meta(WORD),
  cookie_secure: flag.prefault(true).describe("`Secure` of Postern's cookies"),
  cookie_partitioned: flag
    .prefault(true)
    .describe("with `none`: `Partitioned` of Postern's cookies"),

  events: textList(`a list of ${EVENT_TYPES.join(', ')}`, oneOf(...EVENT_TYPES))
    .optional()
    .meta({
      description: '[events](../guides/webhooks.md#events) that are recorded',
      absent: 'all with a webhook, else none',
    })
    .meta(WORD),
  webhook_url: webhookUrl
    .optional()
    .describe('where Postern sends events: [webhooks](../guides/webhooks.md)'),
  webhook_secret_file: secretsFile
    .optional()
    .meta({ description: 'secrets that sign events', absent: 'required with a URL' }),
  webhook_allow: addressRanges.optional().describe('addresses of the receiver that are not public'),

  format: oneOf('opaque', 'jwt')
    .prefault('opaque')
    .describe('format of a token, if the request has none'),
  jwt_keys_file: jwksFile.optional().describe("Postern's own keys"),
  jwt_issuer: jwtName()
    .optional()
    .meta({ description: "`iss` in Postern's own tokens", absent: 'the public URL, or `postern`' }),
  jwt_leeway: wholeNumber('seconds', 0, 60)
    .prefault(5)
    .describe('tolerated difference between clocks'),
  issuers: issuerList
    .optional()
    .describe('other parties whose JWTs are trusted: [issuers](#issuers), in the file only'),
};

export type Settings = z.output<z.ZodObject<typeof TABLE>>;
export type ValidSettings = Valid<Settings>;

/** Settings without their invalid values, and how to report one that does not fit the others. */
export interface Checked {
  readonly valid: ValidSettings;
  /** Whether a setting has a value, valid or not. */
  readonly isSet: (name: string) => boolean;
  readonly add: Add;
}

export const needsRestart = (name: string) => Boolean(metaAt([name]).restart);

/** What the table says about the field at a path, such as `['mounts', 0, 'storage', 'bucket']`. */
export function metaAt(path: readonly PropertyKey[]): z.GlobalMeta {
  let shape: Readonly<Record<PropertyKey, z.ZodType>> = TABLE;
  const meta: z.GlobalMeta = {};
  for (const name of path) {
    if (typeof name !== 'string') continue;
    let field: z.ZodType | undefined = Object.hasOwn(shape, name) ? shape[name] : undefined;
    shape = {};
    Object.assign(meta, { shown: undefined });
    while (field !== undefined) {
      Object.assign(meta, field.meta());
      if (field instanceof z.ZodObject) shape = field.shape;
      const inner = field.def as { innerType?: z.ZodType; element?: z.ZodType; in?: z.ZodType };
      field = inner.innerType ?? inner.element ?? inner.in;
    }
  }
  return meta;
}

export const FILE_ONLY: readonly string[] = ['issuers'];

export const SETTINGS = Object.keys(TABLE).filter((name) => !FILE_ONLY.includes(name));

/** Names the file, so the file cannot contain it. */
export const CONFIG_VARIABLE = 'POSTERN_CONFIG';

/** Variables of commands that call a service; the service itself ignores them, with a warning. */
export const API_VARIABLES: readonly string[] = ['POSTERN_API', 'POSTERN_API_KEY'];

export function variableOf(setting: string): string {
  return `POSTERN_${setting.toUpperCase()}`;
}

/** What the documentation says about each setting, in Markdown. */
export function documentedSettings() {
  return Object.entries<z.ZodType>(TABLE).map(([name, schema]) => {
    const { description = '', absent = 'none' } = schema.meta() ?? {};
    // The page says once how a list is written in YAML.
    const expected = schema.safeParse(Symbol()).error?.issues[0]?.message ?? '';
    const value = expected.replace(/ \(in YAML.*\)$/, '');
    const hasDefault = schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault;
    const standard = hasDefault && `\`${schema.def.defaultValue}\``;
    const title = FILE_ONLY.includes(name) ? name : variableOf(name);
    return { title, meaning: description, value, standard: standard || String(absent) };
  });
}

export function settingsHelp(): string {
  const lines = documentedSettings().map(({ title, meaning, standard }) => {
    const text = `${meaning} (default: ${standard})`.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1');
    return `  ${title.padEnd(28)} ${text.replaceAll('`', '')}`;
  });
  return `\nSettings, as variables, or in lower case and without POSTERN_ in the file:\n${lines.join('\n')}\n`;
}
