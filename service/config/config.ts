import type { z } from 'zod';
import { EVENT_TYPES, type EventType } from '../events/event.ts';
import type { ApiKey } from '../token/client.ts';
import { checkSettings, requireKeys } from './checks.ts';
import { checkApiKeys } from './clients.ts';
import { ConfigError, ConfigErrors, mayBeSecret, quote, type Source } from './errors.ts';
import { type Environment, type Outside, type ReadFile, readFrom } from './files.ts';
import { addressesOf, contradictions, type InheritedSocket, socketError } from './inherited.ts';
import { checkIssuers, DEFAULT_ISSUER } from './issuers.ts';
import { checkMounts, type MountSettings, mountList, toMount } from './mounts.ts';
import { type Settings, TABLE } from './settings.ts';
import { type Configured, type Path, readSources } from './sources.ts';
import { camelCased, mapping, suggest, withChecks } from './values.ts';

/** Everything that an operator can set, checked. The table in settings.ts documents the settings. */
export type Config = Readonly<ReturnType<typeof toConfig>>;

interface Started {
  /** Whether Postern can generate an API key and show it; if not, having none is an error. */
  readonly onTerminal?: boolean;
  readonly sockets?: readonly InheritedSocket[];
}

/**
 * Reads and checks the environment, and the YAML file that `POSTERN_CONFIG` names. The result is deeply frozen.
 * @throws ConfigError with every issue
 */
export function loadConfig(
  env: Environment,
  readFile: ReadFile,
  { onTerminal = false, sockets = [] }: Started = {},
): Config {
  const errors = new ConfigErrors();
  const inherited = sockets.filter((socket, index) => {
    const expected = socketError(socket, index, sockets);
    if (expected === undefined) return true;
    return errors.add({ field: 'LISTEN_FDNAMES', shown: quote(socket.name) }, expected);
  });
  const outside = { env, readFile };
  const sources = readSources(outside, errors);
  const schema = withChecks(mapping(TABLE), (configured, add) => {
    const isSet = (name: string) => Object.hasOwn(sources.values, name);
    const set = Object.entries(configured).filter(([name]) => isSet(name));
    for (const [name, expected] of contradictions(inherited, Object.fromEntries(set))) {
      add([name], expected);
    }
    const valid = { ...configured, ...addressesOf(inherited) };
    const checked = { valid, add, isSet };
    checkSettings(checked);
    checkMounts(valid, add);
    checkApiKeys(checked);
    checkIssuers(checked);
    if (sources.isComplete) requireKeys(checked, onTerminal);
  });
  const values = parse(schema, sources, errors, outside);
  if (values === undefined || errors.issues.length > 0) throw new ConfigError(inOrder(errors));
  return deepFreeze(toConfig({ ...values, ...addressesOf(inherited) }));
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
    const meant = suggest(name, known.split(', '));
    return [{ field, where }, meant ? `${meant} All keys: ${known}` : `one of the keys ${known}`];
  }
}

/** Issues of the environment first: unknown names, invalid values, contradictions. Then those of the file, by line. */
function inOrder({ issues }: ConfigErrors) {
  const lineOf = (where = '') => Number(/:(\d+)(?::\d+)?$/.exec(where)?.[1] ?? 0);
  return [...issues].sort((a, b) => lineOf(a.where) - lineOf(b.where));
}

/** The settings whose names begin with one of these are together under one name. */
const GROUPS = ['store_', 'page_', 'cookie_', 'webhook_', 'jwt_'] as const;
type Grouped = `${(typeof GROUPS)[number]}${string}`;

function toConfig(values: Settings) {
  const isGrouped = (name: string) => GROUPS.some((group) => name.startsWith(group));
  const single = Object.entries(values).filter(([name]) => !isGrouped(name));
  const general = camelCased(Object.fromEntries(single) as Omit<Settings, Grouped>);
  const mounts: readonly MountSettings[] = values.mounts.map(toMount);
  /** The general limits are the defaults of those of a client. */
  const { maxExpiresIn, maxResumeFor, expiresIn, resumeFor } = general;
  const limits = { maxExpiresIn, maxResumeFor };
  /** Empty only without an API, on a terminal, or if there are trusted issuers. */
  const apiKeys: readonly ApiKey[] = (values.api_keys ?? []).flatMap(
    ({ key, key_file: keys = key ? [key] : [], admin, ...entry }) => {
      const client = { ...limits, ...camelCased(entry), ...(admin && { admin }) };
      return keys.map((sha256) => ({ sha256, client }));
    },
  );
  const issuers = (values.issuers ?? []).map(
    ({ jwks_uri: uri, jwks_file: file = '', ...entry }) => {
      const keys = uri === undefined ? { file } : { uri };
      return { ...limits, ...camelCased(entry), keys };
    },
  );
  const { folder, ...page } = camelCased(values, 'page_');
  const pages = { ...page, texts: {}, files: {}, ...folder };
  const { issuer = values.public_url, keysFile: jwtKeys, leeway } = camelCased(values, 'jwt_');
  const { samesite: sameSite, secure, partitioned } = camelCased(values, 'cookie_');
  return {
    ...general,
    /** As they are set, by their names. Never log the values. */
    settings: values,
    ...{ mounts, apiKeys, issuers, pages },
    store: toStore(values),
    events: toEvents(values),
    /** `Partitioned` is only for `None`. */
    cookies: { sameSite, secure, partitioned: partitioned && sameSite === 'None' },
    expiresIn: Math.min(expiresIn, maxExpiresIn),
    resumeFor: Math.min(resumeFor, maxResumeFor),
    ...{ issuer: issuer ?? DEFAULT_ISSUER, jwtKeys, leeway },
  };
}

/** `url` and the passwords are secrets: never log them. */
function toStore(values: Settings) {
  const { sentinelUsername, sentinelPassword, ...own } = camelCased(values, 'store_');
  const { passwordFile, caFile, certFile, keyFile, ...store } = own;
  const sentinel = { username: sentinelUsername, password: sentinelPassword };
  const files = { password: passwordFile, ca: caFile, cert: certFile, key: keyFile };
  return { url: values.store, ...store, ...files, sentinel };
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
