import type { Faults } from './fault.ts';
import type { Given } from './given.ts';
import type { Settings } from './names.ts';
import { readWhole } from './whole.ts';

export interface StoreSettings {
  /** `memory:`, or a `redis://` or `rediss://` URL, which may hold a password: never log it. */
  readonly url: string;
  /** Before every key. */
  readonly prefix: string;
  /** Milliseconds that a command may take. */
  readonly timeoutMs: number;
}

/** No braces, which would decide a key's slot in a cluster, and nothing that is a pattern. */
const PREFIX = /^[A-Za-z0-9:._/-]{1,64}$/;

/** Of one server: the lists that other clients take are no URL of this kind. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])$/i;

export function readStore(settings: Settings, faults: Faults): StoreSettings {
  const url = settings.get('store');
  const prefix = settings.get('store_prefix');
  const timeout = settings.get('store_timeout_ms');
  const range = { unit: 'milliseconds', min: 10, max: 10_000 };
  return {
    url: (url && readUrl(url, faults)) ?? 'memory:',
    prefix: (prefix && readPrefix(prefix, faults)) ?? 'postern:',
    timeoutMs: (timeout && readWhole(timeout, range, faults)) ?? 250,
  };
}

function readPrefix(given: Given, faults: Faults): string | undefined {
  if (typeof given.value === 'string' && PREFIX.test(given.value)) return given.value;
  return faults.add(given, '1 to 64 letters, digits or : . _ / -, such as postern:');
}

function readUrl(given: Given, faults: Faults): string | undefined {
  const text = typeof given.value === 'string' ? given.value : '';
  if (text === 'memory:') return text;
  const fault = urlFault(text);
  return fault === undefined ? text : faults.add(given, fault);
}

function urlFault(text: string): string | undefined {
  // Lower case alone: of REDISS:// the client would make a connection without TLS.
  if (!/^rediss?:\/\//.test(text)) {
    return 'memory:, redis://host:6379/0, or rediss://host:6379/0 for TLS; no other store is known';
  }
  const example = 'such as redis://127.0.0.1:6379/0';
  if (!URL.canParse(text)) {
    return `a URL ${example}; in a password, percent-encode what is no letter or digit`;
  }
  const url = new URL(text);
  if (/[\s\p{Cc}]/u.test(text)) return `a URL without spaces, ${example}`;
  if (!HOST.test(url.hostname)) return `a URL with one host, ${example}`;
  if (url.port === '0') return `a port from 1 to 65535, ${example}`;
  if (url.search !== '' || url.hash !== '') {
    return `a URL without ? and #, ${example}; in a password write them %3F and %23`;
  }
  if (!/^\/?(\d{1,5})?$/.test(url.pathname))
    return `a database's number after the host, ${example}`;
  if (!decodes(url.username) || !decodes(url.password)) {
    return 'a user name and a password with each % written %25';
  }
  return undefined;
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
