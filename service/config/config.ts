import type { z } from 'zod';
import type { PageSettings } from '../pages/pages.ts';
import type { ApiKey, TrustedIssuer } from '../token/client.ts';
import { EVENT_TYPES, type EventType } from '../webhooks/event.ts';
import { checkSettings, requireKeys } from './checks.ts';
import { checkApiKeys, checkIssuers, DEFAULT_ISSUER } from './clients.ts';
import { ConfigError, ConfigErrors, mayBeSecret, type Source } from './errors.ts';
import { type Environment, type Outside, type ReadFile, readFrom } from './files.ts';
import { checkInherited, type InheritedSocket, usable, withInherited } from './inherited.ts';
import { checkMounts, type MountSettings, mountList, toMount } from './mounts.ts';
import { type Settings, TABLE } from './settings.ts';
import { type Configured, type Path, readSources } from './sources.ts';
import { defined, mapping, suggest, withChecks } from './values.ts';

/** Everything that an operator can set, checked. The table in settings.ts documents the settings. */
export type Config = Readonly<ReturnType<typeof toConfig>>;

interface Started {
  /** Whether Postern can generate an API key and show it; if not, having none is an error. */
  readonly onTerminal?: boolean;
  readonly sockets?: readonly InheritedSocket[];
}

/**
 * Reads and checks the configuration: the environment, and the YAML file that `POSTERN_CONFIG` names.
 *
 * @param readFile returns a file's text, or throws as `node:fs` does
 * @returns the configuration, deeply frozen
 * @throws ConfigError with every issue
 */
export function loadConfig(
  env: Environment,
  readFile: ReadFile,
  { onTerminal = false, sockets = [] }: Started = {},
): Config {
  const errors = new ConfigErrors();
  const inherited = usable(sockets, errors);
  const outside = { env, readFile };
  const sources = readSources(outside, errors);
  const schema = withChecks(mapping(TABLE), (configured, add) => {
    const isSet = (name: string) => Object.hasOwn(sources.values, name);
    checkInherited({ valid: configured, add, isSet }, inherited);
    const valid = withInherited(configured, inherited);
    const checked = { valid, add, isSet };
    checkSettings(checked);
    checkMounts(valid, add);
    checkApiKeys(checked);
    checkIssuers(checked);
    if (sources.isComplete) requireKeys(checked, onTerminal);
  });
  const values = parse(schema, sources, errors, outside);
  if (values === undefined || errors.issues.length > 0) throw new ConfigError(inOrder(errors));
  return deepFreeze(toConfig(withInherited(values, inherited)));
}

/** The mounts. Undefined if none are set, or with issues. */
export function loadMounts(
  env: Environment,
  readFile: ReadFile,
  errors: ConfigErrors,
): readonly MountSettings[] | undefined {
  const { values, ...sources } = readSources({ env, readFile }, errors);
  if (values.mounts === undefined) return undefined;
  // Placeholders: this user may not read the credentials of an object store.
  const keys = { AWS_ACCESS_KEY_ID: '-', AWS_SECRET_ACCESS_KEY: '-' };
  const credentials = () => '{"AccessKeyId":"-","SecretAccessKey":"-"}';
  const schema = withChecks(mapping({ mounts: mountList }), checkMounts);
  const found = { values: { mounts: values.mounts }, ...sources };
  return parse(schema, found, errors, { env: keys, readFile: credentials })?.mounts.map(toMount);
}

/** The values that a schema describes; undefined, with issues, if they do not match it. */
function parse<S extends z.ZodObject>(
  schema: S,
  { values, isComplete, sourceOf }: Configured,
  errors: ConfigErrors,
  outside: Outside,
): z.output<S> | undefined {
  readFrom(outside);
  const { data, error } = schema.safeParse(values, { jitless: true });
  const reported = new Set<string>();
  const add = (source: Source, expected: string) => {
    // A second message for the same value would repeat the first.
    if (reported.has(source.field)) return;
    reported.add(source.field);
    // This differs from an absent key: a list whose entries are all commented out would allow everything.
    errors.add(source, source.shown === 'nothing' ? 'a value; or remove the key' : expected);
  };
  for (const issue of error?.issues ?? []) {
    const { code, path, message } = issue;
    // A setting that seems to be missing may be in the file that cannot be read.
    const [name] = path;
    if (!isComplete && name !== undefined && !(name in values)) continue;
    if (code !== 'unrecognized_keys') add(sourceOf(path), message);
    else for (const key of issue.keys) add(...unknownKey(key, path, message));
  }
  return data;

  function unknownKey(key: string, path: Path, known: string): [Source, string] {
    // A secret can be in the place of a key, so a report shows a key only if it looks like a name.
    const isName = /^\w{1,40}$/.test(key) && !mayBeSecret(key) && path[0] !== 'api_keys';
    const { field } = sourceOf([...path, isName ? key : '?']);
    const { where } = sourceOf([...path, key]);
    // The name of the variable is a usual mistake.
    const name = key.toLowerCase().replace(/^postern_/, '');
    return [{ field, where }, `one of the keys ${known}${suggest(name, known.split(', '))}`];
  }
}

/** Those of the environment, then those of the file in the order of its lines. */
function inOrder({ issues }: ConfigErrors) {
  const lineOf = (where = '') => Number(/:(\d+)(?::\d+)?$/.exec(where)?.[1] ?? 0);
  return [...issues].sort((a, b) => lineOf(a.where) - lineOf(b.where));
}

function toConfig(values: Settings) {
  const { page_name: name, page_color: color, page_links: links } = values;
  const { cookie_samesite: sameSite, cookie_secure: secure } = values;
  const mounts: readonly MountSettings[] = values.mounts.map(toMount);
  /** Empty only without an API, on a terminal, or if there are trusted issuers. */
  const apiKeys: readonly ApiKey[] = (values.api_keys ?? []).flatMap(
    ({ key, key_file: keys = key ? [key] : [], admin, ...entry }) => {
      const client = { ...withLimits(entry, values), ...(admin && { admin }) };
      return keys.map((sha256) => ({ sha256, client }));
    },
  );
  const issuers: readonly TrustedIssuer[] = (values.issuers ?? []).map((entry) => {
    const { jwks_uri: uri, jwks_file: file = '', trusted_for: trustedFor, ...others } = entry;
    const keys = uri === undefined ? { file } : { uri };
    return { ...withLimits(others, values), trustedFor, keys };
  });
  const files = values.page_folder ?? { texts: {}, files: {} };
  const pages: PageSettings = { name, color, links, ...files };
  /** `Partitioned` is only for `None`. */
  const partitioned = values.cookie_partitioned && sameSite === 'None';
  return {
    /** As they are set, by their names. Never log the values. */
    settings: values,
    ...{ mounts, apiKeys, issuers, pages },
    listen: values.listen,
    apiListen: values.api_listen,
    deliveryFrom: values.delivery_from,
    socketMode: values.socket_mode,
    store: toStore(values),
    events: toEvents(values),
    cookies: { sameSite, secure, partitioned },
    expiresIn: Math.min(values.expires_in, values.max_expires_in),
    maxExpiresIn: values.max_expires_in,
    resumeFor: Math.min(values.resume_for, values.max_resume_for),
    maxResumeFor: values.max_resume_for,
    decisionTtl: values.decision_ttl,
    logLevel: values.log_level,
    format: values.format,
    issuer: values.issuer ?? values.public_url ?? DEFAULT_ISSUER,
    leeway: values.leeway,
    ...defined({
      metricsListen: values.metrics_listen,
      deliveryListen: values.delivery_listen,
      publicUrl: values.public_url,
      apiUrl: values.api_url,
      jwtKeys: values.jwt_keys,
    }),
  };
}

type Limits = Pick<Settings, 'max_expires_in' | 'max_resume_for'>;

/** The general limits are the defaults of those of a client. */
function withLimits<E extends Partial<Limits>>(entry: E, general: Limits) {
  const { max_expires_in: expiresIn, max_resume_for: resumeFor, ...others } = entry;
  return {
    ...others,
    maxExpiresIn: expiresIn ?? general.max_expires_in,
    maxResumeFor: resumeFor ?? general.max_resume_for,
  };
}

/** `url` and the passwords are secrets: never log them. */
function toStore(values: Settings) {
  const { store_ca_file: ca, store_cert_file: cert, store_key_file: key } = values;
  const { sentinel_username: username, sentinel_password: password } = values;
  const tls = defined({ ca, cert, key, serverName: values.store_server_name });
  const sentinel = defined({ username, password });
  return {
    url: values.store,
    prefix: values.store_prefix,
    timeoutMs: values.store_timeout_ms,
    replicas: values.store_replicas,
    ...defined({ password: values.store_password_file }),
    ...(Object.keys(tls).length > 0 && { tls }),
    ...(Object.keys(sentinel).length > 0 && { sentinel }),
  };
}

/** Never log `webhook.secrets`, nor the URL, which may contain a secret. */
function toEvents({ webhook_url: url, webhook_secret_file: secrets = [], ...values }: Settings) {
  const { webhook_allow: allow = [], events = url === undefined ? [] : EVENT_TYPES } = values;
  const types: readonly EventType[] = events;
  return { types, ...(url !== undefined && { webhook: { url, secrets, allow } }) };
}

/** Freezes a value and all that it contains, except bytes, which cannot be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
