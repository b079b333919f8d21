import { quote } from './errors.ts';

/**
 * The settings whose value a report may show, by their path in the file. A report never shows the value of
 * another setting, such as a password or the path of a file with one.
 */
export const SHOWN = {
  word: [
    ...['socket_mode', 'store_timeout_ms', 'store_replicas', 'expires_in', 'max_expires_in'],
    ...['resume_for', 'max_resume_for', 'decision_ttl', 'leeway', 'cookie_samesite'],
    ...['cookie_secure', 'cookie_partitioned', 'events', 'log_level', 'format', 'page_color'],
    ...['mounts.path_argument', 'mounts.pass_arguments', 'mounts.storage.type'],
    ...['mounts.storage.style', 'api_keys.max_expires_in', 'api_keys.max_resume_for'],
    ...['issuers.max_expires_in', 'issuers.max_resume_for', 'issuers.trusted_for'],
    ...['issuers.id', 'issuers.client', 'issuers.algorithms'],
  ],
  address: [
    ...['listen', 'api_listen', 'metrics_listen', 'delivery_listen', 'delivery_from'],
    ...['webhook_allow', 'mounts.site'],
  ],
  path: [
    ...['config', 'store_ca_file', 'store_cert_file', 'mounts', 'mounts.public', 'mounts.internal'],
    ...['mounts.storage.prefix', 'api_keys.paths', 'api_keys.targets', 'issuers.paths'],
    ...['issuers.targets', 'issuers.jwks_file', 'page_folder'],
  ],
  url: [
    ...['store', 'public_url', 'webhook_url', 'mounts.storage.endpoint', 'issuers.jwks_uri'],
    ...['issuers.issuer', 'issuers.audience'],
  ],
} as const;

/**
 * A value in the wrong setting can be a secret: `POSTERN_LISTEN=web:<key>`. So a text must also have the form
 * of such values.
 */
const FORMS: Readonly<Record<keyof typeof SHOWN, (text: string) => string | undefined>> = {
  word: (text) => (text.length <= 12 ? readable(text) : undefined),
  // After a colon, only a port, the rest of an IPv6 address, or the // of a URL.
  address: (text) => (/^\d*$|^(?!.*[g-z]:[^\d/]).*[.:]/is.test(text) ? readable(text) : undefined),
  path: (text) => (/\/|\.(ya?ml|json|pem|crt)$/.test(text) ? readable(text) : undefined),
  url: (text) => originOf(text),
};

/**
 * A run of 12 letters and digits, or letters of both cases side by side. Each generated key or token has one of
 * these. Most words, numbers, addresses and paths have neither.
 */
const MAY_BE_SECRET = /[A-Za-z0-9]{12}|[a-z0-9][A-Z]|[A-Z][a-z0-9]/;

export function readable(text: string): string | undefined {
  return MAY_BE_SECRET.test(text) ? undefined : text;
}

/** Scheme, host and port of a plain URL, and stars for the rest: the path of a webhook can be a secret. */
function originOf(text: string): string | undefined {
  const [, scheme, host = '', rest] =
    /^((?:https?|rediss?)(?:\+[a-z]+)?:\/\/)([^\s\\@?#/,]+)([^\s\\@?#]*)$/i.exec(text) ?? [];
  // As https, because this class reads only hosts of such schemes.
  if (!URL.canParse(`https://${host}`) || readable(host) === undefined) return undefined;
  return `${scheme}${host}${rest === '' ? '' : '/***'}`;
}

/** What a report may show of a value; undefined: nothing. `setting` is a path without indices: `mounts.internal`. */
export function redact(setting: string, value: unknown): string | undefined {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Map) return 'a mapping';
  if (value === null) return 'nothing';
  const kinds = Object.keys(SHOWN) as (keyof typeof SHOWN)[];
  const kind = kinds.find((one) => (SHOWN[one] as readonly string[]).includes(setting));
  const shown = kind && FORMS[kind](String(value));
  if (shown === undefined) return undefined;
  return typeof value === 'string' ? quote(shown) : shown;
}
